# Draws results.csv, in the current folder, as throughput.svg, latency.svg and memory.svg.
#
#   cd tests/bench/out && gnuplot ../charts.gp
#
# A colour stands for a family: blue and green are event loops, red and orange threads, purple and
# grey a process for each client. Our stages are thick, floors dashed.

set datafile separator ','
set datafile missing NaN
set encoding utf8

array NAME = ["v1.1-multiconn", "floor: poll", "floor: epoll", "floor: kqueue", "libevent", "libuv", "node", "Python selectors", "v2-threaded", "floor: threads", "Python socketserver", "v1.0-single", "v3-reverse", "socat", "ncat + cat", "tcpserver + cat", "inetd"]
array COLOUR = ["#0055a4", "#0055a4", "#4aa8e0", "#4aa8e0", "#007a52", "#3fbf7f", "#7d8c00", "#00a3a3", "#c8321e", "#c8321e", "#f09c00", "#000000", "#8a2be2", "#a05aa0", "#d78fc8", "#707070", "#a8a8a8"]
array POINT = [7, 6, 4, 4, 9, 11, 13, 5, 7, 6, 5, 3, 2, 9, 11, 13, 5]

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

set logscale xy
set grid xtics ytics mytics linecolor rgb "#d8d8d8", linecolor rgb "#eeeeee"
set border 3 linecolor rgb "#606060"
set tics nomirror textcolor rgb "#303030"
set key outside right center reverse Left samplen 3 spacing 1.15 textcolor rgb "#202020"
set offsets graph 0.02, graph 0.02, graph 0.02, graph 0.02
set xtics (1, 10, 100, "1,000" 1000, "10,000" 10000)

set terminal svg size 960,520 font "DejaVu Sans,Helvetica,Arial,14" background "#ffffff"
set output 'throughput.svg'
set title "Throughput: echoes a second, messages of 64 bytes"
set xlabel "active connections"
set ylabel "echoes/s"
set format y "%.0s%c"
plot for [i in echoing] 'results.csv' using (pick("ping-pong", int(i), $2)):7 \
    with linespoints linestyle int(i) title NAME[int(i)]

set terminal svg size 1160,520 font "DejaVu Sans,Helvetica,Arial,14" background "#ffffff"
set output 'latency.svg'
set title
set format y "%g"
set multiplot layout 1,2 title "Latency of an echo, messages of 64 bytes" font ",16"
set ylabel "microseconds"
set title "median"
set lmargin at screen 0.07
set rmargin at screen 0.40
unset key
plot for [i in echoing] 'results.csv' using (pick("ping-pong", int(i), $2)):11 \
    with linespoints linestyle int(i) notitle
set title "99 of 100 are faster"
set lmargin at screen 0.48
set rmargin at screen 0.81
set key outside right center reverse Left samplen 3 spacing 1.15 textcolor rgb "#202020"
unset ylabel
plot for [i in echoing] 'results.csv' using (pick("ping-pong", int(i), $2)):12 \
    with linespoints linestyle int(i) title NAME[int(i)]
unset multiplot

set terminal svg size 960,520 font "DejaVu Sans,Helvetica,Arial,14" background "#ffffff"
set output 'memory.svg'
unset lmargin
unset rmargin
set title "Memory of a server and all that it starts"
set xlabel "connections that said one message"
set ylabel "MiB"
plot for [i in idling] 'results.csv' using (pick("memory", int(i), $2)):($7 / 1024) \
    with linespoints linestyle int(i) title NAME[int(i)]
