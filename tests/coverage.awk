# From gcovr --csv: lines and branches that were run, in per cent, of each folder and of each file. Exits with 1 if a
# folder has less than `least` per cent of its branches, or if there is none.
function row(name, lines, lines_run, branches, branches_run) {
	return sprintf("%-26s %6d %5.1f %% %8d %5.1f %%\n", name, lines, percent(lines_run, lines), branches,
		percent(branches_run, branches))
}
function percent(part, all) { return all == 0 ? 100 : 100 * part / all }
function finish_folder() {
	if (folder == "") return
	printf "%s%s\n", row(folder "/", sum[1], sum[2], sum[3], sum[4]), files
	folders++
	if (percent(sum[4], sum[3]) < least) low = low " " folder "/"
	files = ""
	split("", sum)
}
BEGIN {
	FS = ","
	printf "%-26s %14s %16s\n", "", "lines", "branches"
}
NR == 1 { next }
{
	path = $1
	sub("/[^/]*$", "", path)
	if (path != folder) finish_folder()
	folder = path
	sum[1] += $2; sum[2] += $3; sum[3] += $5; sum[4] += $6
	files = files row("  " $1, $2, $3, $5, $6)
}
END {
	finish_folder()
	if (low != "") print "less than " least " % of the branches:" low
	exit folders == 0 || low != ""
}
