# Draws results.csv, in the current folder, as throughput.svg, latency.svg and memory.svg.
#
#   cd tests/bench/out && gnuplot ../charts.gp
#
# A colour stands for a family: blue and green are event loops, red and orange threads, purple and
# grey a process for each client. Our stages are thick, floors dashed. Who serves one client at a time
# has a single point, and is drawn last.

set datafile separator ','
set datafile missing NaN
set encoding utf8

array NAME = ["v1.1-multiconn", "floor: poll", "floor: epoll", "floor: kqueue", "libevent", "libuv", "node", "Python selectors", "v2-threaded", "floor: threads", "Python socketserver", "socat", "ncat + cat", "tcpserver + cat", "inetd", "v1.0-single", "v3-reverse"]
array COLOUR = ["#0055a4", "#0055a4", "#4aa8e0", "#4aa8e0", "#007a52", "#3fbf7f", "#7d8c00", "#00a3a3", "#c8321e", "#c8321e", "#f09c00", "#a05aa0", "#d78fc8", "#707070", "#a8a8a8", "#000000", "#8a2be2"]
array POINT = [7, 6, 4, 4, 9, 11, 13, 5, 7, 6, 5, 9, 11, 13, 5, 3, 2]

is_stage(i) = NAME[i][1:1] eq "v"
is_floor(i) = NAME[i][1:5] eq "floor"
do for [i = 1:|NAME|] {
    dash = is_floor(i) ? 2 : 1
    width = is_stage(i) ? 3 : 1.5
    size = is_stage(i) ? 0.9 : 0.6
    set style line i linecolor rgb COLOUR[i] linewidth width dashtype dash pointtype POINT[i] \
        pointsize size
}

# A value of the rows of a server under a load; NaN for the others.
pick(load, i, value) = strcol(1) eq load && strcol(4) eq NAME[i] && \
    (load ne "ping-pong" || column(3) == 64) ? value : NaN

# The servers that have rows under a load, as numbers in a string.
has(load, i) = int(system(sprintf("grep -c '^%s,.*,%s,' results.csv || true", load, NAME[i])))
echoing = ""
idling = ""
do for [i = 1:|NAME|] {
    if (has("ping-pong", i)) { echoing = echoing . sprintf(" %d", i) }
    if (has("memory", i)) { idling = idling . sprintf(" %d", i) }
}

# Both halves of the latency have the same range.
stats 'results.csv' using (strcol(1) eq "ping-pong" && $3 == 64 ? $11 : NaN) nooutput name "HALF"
stats 'results.csv' using (strcol(1) eq "ping-pong" && $3 == 64 ? $12 : NaN) nooutput name "MOST"

set logscale xy
set xrange [*:*] noextend
set yrange [*:*] noextend
set offsets graph 0.03, graph 0.03, graph 0.05, graph 0.05
set grid xtics ytics linecolor rgb "#e0e0e0" linewidth 1 linetype 1
set border 3 linecolor rgb "#606060"
set tics nomirror textcolor rgb "#303030"
set key at screen 0.99, screen 0.5 right center reverse Left maxcols 1 samplen 3 spacing 1.2 \
    textcolor rgb "#202020"
set xtics (1, 10, 100, "1,000" 1000, "10,000" 10000)
set lmargin at screen 0.09
set rmargin at screen 0.74
FONT = "DejaVu Sans,Helvetica,Arial,14"

set terminal svg name "Throughput" size 960,540 font FONT background "#ffffff"
set output 'throughput.svg'
set title "Throughput: echoes a second, messages of 64 bytes" font ",16"
set xlabel "active connections"
set ytics ("500" 500, "1k" 1e3, "2k" 2e3, "5k" 5e3, "10k" 1e4, "15k" 1.5e4, "20k" 2e4, \
    "30k" 3e4, "50k" 5e4, "70k" 7e4, "100k" 1e5, "150k" 1.5e5, "200k" 2e5, "300k" 3e5, "500k" 5e5, \
    "1M" 1e6)
plot for [i in echoing] 'results.csv' using (pick("ping-pong", int(i), $2)):7 \
    with linespoints linestyle int(i) title NAME[int(i)]

set terminal svg name "Latency" size 1200,540 font FONT background "#ffffff"
set output 'latency.svg'
set multiplot
set yrange [HALF_min / 1.3:MOST_max * 1.3]
set ytics ("10 µs" 10, "20 µs" 20, "50 µs" 50, "100 µs" 100, "200 µs" 200, "500 µs" 500, \
    "1 ms" 1e3, "2 ms" 2e3, "5 ms" 5e3, "10 ms" 1e4, "20 ms" 2e4, "50 ms" 5e4, "100 ms" 1e5, \
    "200 ms" 2e5, "500 ms" 5e5, "1 s" 1e6)
set title "Median latency of an echo"
set lmargin at screen 0.07
set rmargin at screen 0.40
plot for [i in echoing] 'results.csv' using (pick("ping-pong", int(i), $2)):11 \
    with linespoints linestyle int(i) notitle
set title "99th percentile of latency"
set lmargin at screen 0.46
set rmargin at screen 0.78
plot for [i in echoing] 'results.csv' using (pick("ping-pong", int(i), $2)):12 \
    with linespoints linestyle int(i) title NAME[int(i)]
unset multiplot
set yrange [*:*] noextend

set terminal svg name "Memory" size 960,540 font FONT background "#ffffff"
set output 'memory.svg'
set lmargin at screen 0.11
set rmargin at screen 0.74
set title "Memory of a server and all that it starts: less is better"
set xlabel "connections that have said one message"
set ytics ("100 KiB" 100, "200 KiB" 200, "500 KiB" 500, "1 MiB" 1024, "2 MiB" 2048, \
    "5 MiB" 5120, "10 MiB" 10240, "20 MiB" 20480, "50 MiB" 51200, "100 MiB" 102400, \
    "200 MiB" 204800, "500 MiB" 512000)
plot for [i in idling] 'results.csv' using (pick("memory", int(i), $2)):7 \
    with linespoints linestyle int(i) title NAME[int(i)]
