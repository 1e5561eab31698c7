#!/usr/bin/env bats
# The exercise udp; what it asks for stands in udp.md. The shell itself is the client: bash makes a
# UDP socket of /dev/udp/HOST/PORT.

STAGE=v1.0-single
load ../../support/stages

# Opens a socket as descriptor FD, from which datagrams go to the server.
open_datagrams() { # FD
  eval "exec $1<>/dev/udp/127.0.0.1/$port" 2>/dev/null || skip "this bash has no /dev/udp"
}

# Sends a file as one datagram.
send_datagram() { # FD FILE
  dd bs=70000 count=1 <"$2" 2>/dev/null 1>&"$1"
}

# Receives one datagram into a file, or fails.
receive_datagram() { # FD FILE
  "$timeout_command" "$LIMIT" dd bs=70000 count=1 <&"$1" >"$2" 2>/dev/null ||
    explain "no datagram comes back" "expected" "an echo within $LIMIT s" \
      "the server printed" "$(show_lines "$server_out")" \
      "it usually means" "sendto() was given another address than the one that recvfrom() has filled in"
}

assert_echo() { # FD FILE
  send_datagram "$1" "$2"
  receive_datagram "$1" "$dir/echo"
  assert_same_bytes "$2" "$dir/echo"
}

# ---- A UDP echo ----

@test "server: -u prints the ready line, and takes -q beside it" {
  start_server -u
  assert_one_line "$server_out" '^Server listens on 127\.0\.0\.1:[1-9][0-9]*$'
  start_server_on -q 127.0.0.1 0 -u
  start_server -uq
}

@test "server: a datagram comes back, and another one" {
  start_server -u
  open_datagrams 7
  printf hello >"$dir/in"
  assert_echo 7 "$dir/in"
  printf again >"$dir/in"
  assert_echo 7 "$dir/in"
}

@test "server: it prints a line for each datagram, and none with -q" {
  start_server -u
  open_datagrams 7
  printf 'a\0\n' >"$dir/in"
  assert_echo 7 "$dir/in"
  wait_for_line "$server_out" '^Server echoes "a\\x00\\n" \(3 bytes\) to 127\.0\.0\.1:[0-9]+$'
  start_server -u -q
  open_datagrams 7
  assert_echo 7 "$dir/in"
  assert_one_line "$server_out" '^Server listens on '
}

@test "server: two who send at the same time get each their own" {
  start_server -u
  open_datagrams 7
  open_datagrams 8
  printf one >"$dir/one"
  printf two >"$dir/two"
  send_datagram 7 "$dir/one"
  send_datagram 8 "$dir/two"
  receive_datagram 8 "$dir/echo"
  assert_same_bytes "$dir/two" "$dir/echo"
  receive_datagram 7 "$dir/echo"
  assert_same_bytes "$dir/one" "$dir/echo"
}

@test "server: a datagram keeps its boundaries, up to 65,507 bytes" {
  start_server -u
  open_datagrams 7
  head -c 65507 /dev/urandom >"$dir/long"
  printf short >"$dir/in"
  send_datagram 7 "$dir/long"
  send_datagram 7 "$dir/in"
  receive_datagram 7 "$dir/echo"
  assert_same_bytes "$dir/long" "$dir/echo"
  receive_datagram 7 "$dir/echo"
  assert_same_bytes "$dir/in" "$dir/echo"
}

@test "server: without -u it speaks TCP, as before" {
  start_server
  visit ask:hello half-close expect-eof
  wait_for_exit "$server"
  assert_status 0
}
