# From tests/COVERAGE.md and gcovr --csv: lines and branches that were run, in per cent, of each folder and of each file.
# Exits with 1 if a folder has less of its branches than the table says, or is not in it, if there is none, or if a file
# that the text names is gone or complete.
function row(name, lines, lines_run, branches, branches_run) {
	return sprintf("%-26s %6d %5.1f %% %8d %5.1f %%\n", name, lines, percent(lines_run, lines), branches,
		percent(branches_run, branches))
}
function percent(part, all) { return all == 0 ? 100 : 100 * part / all }
function finish_folder() {
	if (folder == "") return
	printf "%s%s\n", row(folder "/", sum[1], sum[2], sum[3], sum[4]), files
	folders++
	if (!(folder in least) || percent(sum[4], sum[3]) < least[folder]) low = low " " folder "/"
	files = ""
	split("", sum)
}
function note_names(text) {
	while (match(text, /`[a-z_\/]+\.c`/)) {
		named[substr(text, RSTART + 1, RLENGTH - 2)]
		text = substr(text, RSTART + RLENGTH)
	}
}
BEGIN { printf "%-26s %14s %16s\n", "", "lines", "branches" }
FILENAME ~ /\.md$/ {
	if ($1 == "|" && $2 ~ /^`/ && $4 ~ /^[0-9]+$/) least[substr($2, 2, length($2) - 2)] = $4
	note_names($0)
	next
}
FNR == 1 { next }
{
	split($0, field, ",")
	path = field[1]
	if (field[6] < field[5]) delete named[path]
	sub("/[^/]*$", "", path)
	if (path != folder) finish_folder()
	folder = path
	sum[1] += field[2]; sum[2] += field[3]; sum[3] += field[5]; sum[4] += field[6]
	files = files row("  " field[1], field[2], field[3], field[5], field[6])
}
END {
	finish_folder()
	for (name in named) stale = stale " " name
	if (low != "") print "fewer branches than in tests/COVERAGE.md:" low
	if (stale != "") print "named in tests/COVERAGE.md, but complete or gone:" stale
	exit folders == 0 || low != "" || stale != ""
}
