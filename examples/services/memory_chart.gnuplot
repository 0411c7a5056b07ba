# SPDX-License-Identifier: MIT
# Both memory lines and the ceiling. Set by the caller: leaky, plateau (CSV files of load_client), ceiling_mib, and svg (a
# file to write) or columns and lines (a drawing in characters).
set datafile separator ","
set key top left
set xlabel "requests served"
set ylabel "MiB resident"
set yrange [0:*]
set autoscale xfix
set format x "%.0f"
mib(x) = x / 1048576.0
ceiling_title = sprintf("declared ceiling, %.0f MiB", ceiling_mib)
stats leaky every ::1 using (mib($4)) nooutput
if (ceiling_mib > 3 * STATS_max) {
    ceiling_title = ceiling_title . " (above this chart)"
    ceiling_mib = NaN
}
if (exists("svg")) {
    set terminal svg size 960,480 font "Helvetica,14" background "#ffffff"
    set output svg
    set title "The same page service under the same load"
    set border 3 lc rgb "#57606a"
    set tics nomirror
    set grid ytics lc rgb "#d0d7de"
    set label ceiling_title at graph 0.99, first ceiling_mib right offset 0, 0.6 tc rgb "#1a7f37"
    set key left top Left reverse samplen 2
    plot leaky every ::1 using 3:(mib($4)) with lines lw 2.5 lc rgb "#cf222e" title "leaky: a map, a singleton, a log, a listener per request", \
         plateau every ::1 using 3:(mib($4)) with lines lw 2.5 lc rgb "#0969da" title "plateau", \
         ceiling_mib with lines lw 1.5 dt 2 lc rgb "#1a7f37" notitle
} else {
    # What is drawn later covers what was drawn before.
    set terminal dumb size columns,lines
    set samples 45
    set key outside top center horizontal
    plot ceiling_mib with points pt "-" title ceiling_title, \
         plateau every ::1 using 3:(mib($4)) with points pt "=" title "plateau", \
         leaky every ::1 using 3:(mib($4)) with points pt "*" title "leaky"
}
