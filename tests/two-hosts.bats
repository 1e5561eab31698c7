#!/usr/bin/env bats
# A server on one host, its clients on another, and a line between them that loses packets.
#
# The hosts are two network namespaces of Linux, joined by a veth pair: A is 192.0.2.1 and
# 2001:db8::1, B is 192.0.2.2 and 2001:db8::2. A namespace without a name is gone when its last
# process is, and teardown ends them all: nothing is left behind. Root's rights are not needed where
# users may make user namespaces.
#
# `tc qdisc ... netem` makes packets late, lost and out of order. A kernel without netem drops some
# in nftables, and a slow line (tbf) keeps the others waiting. Where neither can be had, where the
# namespaces may not be made, or where SERVER or CLIENT names other programs, the tests are skipped.

load support/suite
load support/contract

A4=192.0.2.1 B4=192.0.2.2 # RFC 5737: addresses for examples, which are nobody's
A6=2001:db8::1 B6=2001:db8::2

eval "suite_$(declare -f setup)" # suite_setup is what suite.bash calls setup

setup() {
  [ -z "${SERVER:-}${CLIENT:-}" ] || skip "SERVER or CLIENT names other programs"
  PATH=$PATH:/usr/sbin:/sbin # where users other than root do not look for tc and nft
  local command
  for command in unshare nsenter ip tc; do
    command -v "$command" >/dev/null || skip "$command is not installed: tests/setup --ci installs it"
  done
  suite_setup
  make_hosts
  join_hosts
  spoil_line
}

# Starts a process that holds new namespaces open: the host. Sets $pid.
start_host() { # NAME COMMAND...
  start "$@" sh -c 'echo up; exec sleep 600'
  wait_until has_line_or_is_gone "$dir/$1.out" '^up$' "$pid" || true
  has_line "$dir/$1.out" '^up$'
}

# Makes the hosts, and sets on_a and on_b: the words in front of a command that runs there.
make_hosts() {
  local enter=(nsenter --preserve-credentials --user --net)
  if ! start_host a unshare --map-root-user --net; then
    enter=(nsenter --net) # root may do without a user namespace where there are none
    start_host a unshare --net || skip "no network namespace may be made here: $(cat "$dir/a.err")"
  fi
  on_a=("${enter[@]}" --target "$pid")
  start_host b "${on_a[@]}" unshare --net || skip "no second namespace may be made: $(cat "$dir/b.err")"
  on_b=("${enter[@]}" --target "$pid")
  host_b=$pid
}

# Connects the hosts. A packet is one segment: else the system would hand over 64 KiB as one, and
# the line had little to lose.
join_hosts() {
  "${on_a[@]}" ip link add name line type veth peer name line netns "$host_b" ||
    skip "no veth pair can be made here"
  local host
  for host in a b; do
    on "$host" ip link set lo up
    on "$host" ip link set line gso_max_segs 1
    on "$host" ip link set line up
  done
  "${on_a[@]}" ip address add "$A4/24" dev line
  "${on_b[@]}" ip address add "$B4/24" dev line
  "${on_a[@]}" ip address add "$A6/64" dev line nodad 2>/dev/null || true # need_line_ipv6 tells
  "${on_b[@]}" ip address add "$B6/64" dev line nodad 2>/dev/null || true
}

on() { # HOST COMMAND...
  local host="on_$1[@]"
  shift
  "${!host}" "$@"
}

# Makes the line bad in both directions.
spoil_line() {
  local host
  for host in a b; do
    on "$host" tc qdisc add dev line root netem delay 10ms 2ms loss 2% reorder 25% 50% \
      2>"$dir/netem.err" || spoil_without_netem "$host"
  done
}

# The packets of the input are lost when the sender has seen them leave, as on a line.
spoil_without_netem() { # HOST
  command -v nft >/dev/null ||
    skip "this kernel has no netem ($(sed 1q "$dir/netem.err")), and nft is not installed: tests/setup --ci installs it"
  on "$1" nft -f - 2>"$dir/nft.err" <<'END' || skip "neither netem nor nft can lose packets here: $(sed 1q "$dir/nft.err")"
table inet loss {
  chain input {
    type filter hook input priority 0
    iifname "line" numgen random mod 100 < 2 counter drop
  }
}
END
  on "$1" tc qdisc add dev line root tbf rate 20mbit burst 5kb latency 100ms 2>"$dir/tbf.err" ||
    skip "neither netem nor tbf can slow the line here: $(sed 1q "$dir/tbf.err")"
}

# How many packets both directions have lost.
lost_packets() {
  local host
  for host in a b; do
    on "$host" tc -s qdisc show dev line
    [ ! -e "$dir/nft.err" ] || on "$host" nft list ruleset
  done | sed -nE 's/.*dropped ([0-9]+).*/\1/p; s/.*counter packets ([0-9]+).*/\1/p' |
    awk '{ lost += $1 } END { print lost + 0 }'
}

# Fails if the line has lost nothing: then the test has shown nothing.
assert_line_was_bad() {
  [ "$(lost_packets)" -gt 0 ] || explain "the line has lost no packet: the test shows nothing"
}

has_line_ipv6() {
  "${on_a[@]}" ip -6 address show dev line 2>/dev/null | grep -q "$A6"
}

need_line_ipv6() {
  has_line_ipv6 || skip "this system has no IPv6"
}

# Chooses the stage: its server runs on A, its client and the probe on B.
use() { # STAGE
  LIMIT=$((60 * SLOWNESS)) # each lost packet costs a fraction of a second, or several
  STAGE=$1 STAGE_DIR=$BATS_TEST_DIRNAME/../$1
  find_programs
  client_here=("${client_command[@]}") probe_here=("${probe_command[@]}")
  server_command=("${on_a[@]}" "${server_command[@]}")
  client_command=("${on_b[@]}" "${client_here[@]}")
  probe_command=("${on_b[@]}" "${probe_here[@]}")
  means="what comes in on a real line comes in pieces of any size, and late: recv() returns what is there, send() takes what has room"
}

# Starts v2's client on a host, and waits until it is welcomed. It says what comes into
# $dir/chat_HOST.in.
start_chat() { # HOST
  mkfifo "$dir/chat_$1.in"
  stdin_file=$dir/chat_$1.in start "chat_$1" on "$1" "${client_here[@]}" "$A4" "$port"
  wait_for_line "$dir/chat_$1.out" '^Welcome to my server$'
}

random_bytes() { # N FILE
  head -c "$1" /dev/urandom >"$2"
}

# Replaces the ports that the system chose with N.
without_ports() { # FILE
  sed -E "s/(:|', |Port )[0-9]+(\)?)\$/\1N\2/; s/ Port [0-9]+ \|/ Port N |/" "$1"
}

# Sends bytes through v1.0 and back.
assert_v1_0_echoes() { # BYTES LISTEN_HOST SERVER_HOST SHOWN_LISTENER SHOWN_SERVER SHOWN_CLIENT
  use v1.0-single
  random_bytes "$1" "$dir/in"
  start_server_on -q "$2" 0
  run_client -q "$3" "$port" - <"$dir/in"
  assert_same_bytes "$dir/in" "$client_out"
  assert_status 0
  wait_for_exit "$server"
  assert_line_was_bad
  assert_lines "$client_err" <<END
Client connects to $5:$port
Client closes connection to $5:$port
END
  without_ports "$server_out" >"$dir/server.lines"
  assert_lines "$dir/server.lines" <<END
Server listens on $4:N
Server accepts connection from $6:N
Server closes connection to $6:N
END
}

# ---- v1.0 ----

@test "v1.0: megabytes go to the other host and come back, and both know who is who" {
  assert_v1_0_echoes 2000000 "$A4" "$A4" "$A4" "$A4" "$B4"
}

@test "v1.0: a server on 0.0.0.0 serves the other host" {
  assert_v1_0_echoes 300000 0.0.0.0 "$A4" 0.0.0.0 "$A4" "$B4"
}

@test "v1.0: the same over IPv6" {
  need_line_ipv6
  assert_v1_0_echoes 300000 "$A6" "$A6" "[$A6]" "[$A6]" "[$B6]"
}

@test "v1.0: a server on :: serves the other host" {
  need_line_ipv6
  assert_v1_0_echoes 300000 :: "$A6" '[::]' "[$A6]" "[$B6]"
}

@test "v1.0: a server without HOST is for its own host: on 127.0.0.1 no other finds it" {
  use v1.0-single
  start_server_on 0
  run_client "$A4" "$port"
  assert_status 1 "127.0.0.1 is this host alone: a server for others needs its address, or 0.0.0.0"
  assert_one_line "$client_err" "^client: cannot connect to $A4:$port: Connection refused$"
}

@test "v1.0: a line that is cut for a while costs nothing but time" {
  use v1.0-single
  random_bytes 1000000 "$dir/in"
  start_server_on "$A4" 0
  stdin_file=$dir/in start_client "$A4" "$port" -
  wait_for_line "$server_out" '^Server echoes '
  on b ip link set line down
  sleep 1 # it is down that long
  assert_no_line_in "$server_out" '^Server closes ' "the line is down, but the connection stands"
  on b ip link set line up
  wait_for_exit "$client"
  assert_status 0
  assert_same_bytes "$dir/in" "$client_out"
}

# ---- v1.1 ----

@test "v1.1: 10 connections from the other host get back what they send" {
  use v1.1-multiconn
  local xs
  xs=$(head -c 100000 /dev/zero | tr '\0' x) # more than a socket takes at once
  start_server_on "$A4" 0
  run_client "$A4" "$port" 10 one "$xs" "${xs}y" ''
  assert_status 0
  assert_line_in "$client_out" "^Client starts connection 10 to $A4:$port\$"
  assert_line_in "$client_out" '^Client echoed on 10 of 10 connections$'
  assert_equal "$(grep -c "^Server accepts connection from $B4:" "$server_out")" 10
  assert_line_was_bad
}

@test "v1.1: megabytes go to the other host and come back over IPv6" {
  need_line_ipv6
  use v1.1-multiconn
  random_bytes 2000000 "$dir/in"
  start_server_on :: 0
  probe connect "$A6" "$port" "exchange:$dir/in:$dir/out"
  assert_same_bytes "$dir/in" "$dir/out"
  assert_line_in "$server_out" "^Server closes connection to \[$B6\]:"
  assert_line_was_bad
}

# A client's line goes down in mid-transfer, and the server serves its own host. The line comes back,
# and nothing was lost.
assert_others_are_served() { # GREETING SHOWN_MESSAGE
  random_bytes 2000000 "$dir/in"
  start_server_on "$A4" 0
  start_probe cut connect "$A4" "$port" expect:"$1" "exchange:$dir/in:$dir/out"
  wait_for_line "$server_out" "$2"
  on b ip link set line down
  probe_command=("${on_a[@]}" "${probe_here[@]}")
  means="the server waits for one client, and serves no other meanwhile"
  local i
  for i in 1 2 3 4 5; do
    probe connect "$A4" "$port" limit:10 expect:"$1" ask:hello half-close expect-eof
  done
  assert_no_line_in "$server_out" "[Cc]lose.*$B4" "the line is down, but the connection stands"
  on b ip link set line up
  finish cut
  assert_same_bytes "$dir/in" "$dir/out"
}

@test "v1.1: a client whose line goes down keeps nobody waiting, and loses nothing" {
  use v1.1-multiconn
  assert_others_are_served '' "bytes\) to $B4"
}

# ---- v2 ----

@test "v2: megabytes go to the other host and come back" {
  use v2-threaded-broadcast
  random_bytes 2000000 "$dir/in"
  start_server_on -q "$A4" 0
  run_client "$A4" "$port" <"$dir/in"
  assert_status 0
  { printf '\n\nWelcome to my server\n\n\n' && cat "$dir/in"; } >"$dir/expected_bytes"
  assert_same_bytes "$dir/expected_bytes" "$client_out"
  assert_line_was_bad
  without_ports "$server_out" >"$dir/server.lines"
  assert_line_in "$dir/server.lines" "^\[\+\] Listening \| IP $A4 Port N\$"
  assert_line_in "$dir/server.lines" "^\[\+\] Connection established \| IP $B4 Port N\$"
  assert_line_in "$dir/server.lines" "^\[-\] Connection closed \| IP $B4 Port N\$"
}

@test "v2: a client whose line goes down keeps nobody waiting, and loses nothing" {
  use v2-threaded-broadcast
  assert_others_are_served '\n\nWelcome to my server\n\n\n' "$B4 .*bytes\)"
}

@test "v2: with -b, clients on both hosts see all that both say, in one order" {
  use v2-threaded-broadcast
  start_server_on -b -q "$A4" 0
  start_chat a
  start_chat b
  # Each host has letters of its own, so that what it said can be told from what the other said.
  seq 1 30000 | tr 0-9 A-J >"$dir/said_a"
  seq 1 30000 | tr 0-9 a-j >"$dir/said_b"
  stdout_file=$dir/chat_a.in start say_a cat "$dir/said_a"
  stdout_file=$dir/chat_b.in start say_b cat "$dir/said_b"
  local size=$((25 + $(size_of "$dir/said_a") + $(size_of "$dir/said_b"))) host
  heard_all() { [ "$(size_of "$dir/chat_$1.out")" -ge "$size" ]; }
  for host in a b; do
    wait_until heard_all "$host" || explain "a client has not heard all" \
      "host" "$host" "expected" "$size bytes" "got" "$(size_of "$dir/chat_$host.out") bytes" \
      "the server printed" "$(show_lines "$server_out")"
  done
  assert_same_bytes "$dir/chat_a.out" "$dir/chat_b.out"
  assert_hears A-J a
  assert_hears a-j b
  assert_line_was_bad
}

# Expects the clients to have heard what HOST said, in the order in which it was said.
assert_hears() { # LETTERS HOST
  tr -cd "$1" <"$dir/said_$2" >"$dir/said"
  sed 1,5d "$dir/chat_a.out" | tr -cd "$1" >"$dir/heard"
  assert_same_bytes "$dir/said" "$dir/heard"
}

@test "v2: with -b, a client whose line is down is dropped, and the others miss nothing" {
  use v2-threaded-broadcast
  random_bytes 10000000 "$dir/in"
  start_server_on -b -q "$A4" 0
  start_chat b
  on b ip link set line down
  probe_command=("${on_a[@]}" "${probe_here[@]}")
  means="the server waits for a client that takes nothing"
  probe connect "$A4" "$port" 'expect:\n\nWelcome to my server\n\n\n' "roundtrip:$dir/in:$dir/out"
  assert_same_bytes "$dir/in" "$dir/out"
  without_ports "$server_out" >"$dir/server.lines"
  assert_line_in "$dir/server.lines" "^\[-\] Slow client dropped \| IP $B4 Port N\$"
  assert_no_line_in "$dir/server.lines" "^\[-\] Slow client dropped \| IP $A4 Port N\$"
}

# ---- v3 ----

# Talks with v3's server, which listens on an address, or ('') where it does by itself. Expects both to
# know who the other is.
assert_v3_dialogue() { # LISTEN_HOST SERVER_HOST CLIENT_HOST
  use v3-reverse
  local ms
  ms=$(head -c 60000 /dev/zero | tr '\0' m) # a message that comes in many pieces
  start_server_on ${1:+"$1"} 0
  printf '%s\n' Josue Grüße "${ms}n" end >"$dir/typed"
  run_client "$2" "$port" <"$dir/typed"
  assert_status 0
  assert_lines "$client_out" <<END
Client connection made with server at $2 : $port
Client enter message: Josue
Client received: eusoJ
Client enter message: Grüße
Client received: eßürG
Client enter message: ${ms}n
Client received: n$ms
Client enter message: end
Client received: dne
Client termination called by message "end" and response "dne"
END
  wait_for_exit "$server"
  assert_status 0
  without_ports "$server_out" >"$dir/server.lines"
  assert_line_in "$dir/server.lines" "^Server connection made with client \('$3', N\)\$"
}

@test "v3: a server without HOST serves the other host, with the same dialogue as with one's own" {
  assert_v3_dialogue '' "$A4" "$B4"
}

@test "v3: a dialogue with the other host over IPv6" {
  need_line_ipv6
  assert_v3_dialogue :: "$A6" "$B6"
}

@test "v3: each of a megabyte of messages is answered once, and in its turn" {
  use v3-reverse
  local size
  {
    seq 1 1000
    for size in 1 1448 20000 65534; do
      head -c "$size" /dev/zero | tr '\0' m && echo é
    done
    seq 1001 2000
    random_bytes 1000000 /dev/stdout
  } >"$dir/in"
  "${probe_here[@]}" reverse "$dir/in" >"$dir/expected_answers"
  start_server_on -q "$A4" 0
  probe connect "$A4" "$port" "exchange:$dir/in:$dir/out"
  assert_same_bytes "$dir/expected_answers" "$dir/out"
  assert_line_was_bad
}
