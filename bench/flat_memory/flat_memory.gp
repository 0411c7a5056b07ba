# SPDX-License-Identifier: MIT
# gnuplot -e "dir='...'; out='...'; names='cache watch'" flat_memory.gp
# <dir>/<name>.<twin>.tsv: round, MiB resident; <dir>/<name>.ceiling: MiB.

panels = words(names)
columns = panels < 3 ? panels : 3
rows = (panels + columns - 1) / columns
set terminal svg size 460 * columns, 380 * rows font "sans-serif,12" background "#ffffff"
set output out
set multiplot layout rows, columns
set grid ytics lc rgb "#dddddd"
set border 3 lc rgb "#888888"
set tics nomirror
set key center right reverse Left samplen 2
set xlabel "identical rounds"
set ylabel "resident memory, MiB"
set yrange [0:*]
do for [i = 1:panels] {
    name = word(names, i)
    ceiling = real(system(sprintf("cat '%s/%s.ceiling'", dir, name)))
    set title name noenhanced
    plot sprintf("%s/%s.leaky.tsv", dir, name) with lines lw 2 lc rgb "#c8382e" title "without plateau", \
         sprintf("%s/%s.plateau.tsv", dir, name) with lines lw 2 lc rgb "#1f6fb4" title "with plateau", \
         ceiling with lines lw 1.5 dt 2 lc rgb "#555555" title "declared ceiling"
}
unset multiplot
