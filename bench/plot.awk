# Draws one figure as SVG from lines of fields separated by tabs:
#
#	figure TITLE SUBTITLE SOURCE
#	panel  HEADING XLABEL UNIT	lines over a number, both axes logarithmic
#	series KEY LABEL NOTE		one line, labelled at its end; KEY gives the colour
#	point  X Y
#	bars   HEADING UNIT		horizontal bars
#	bar    KEY LABEL VALUE NOTE MARK  with a mark at MARK, if that is not empty
#
# Panels stand side by side. UNIT is "us" (a time), or the text after a number. There is no background, and the colours
# follow the scheme that the reader prefers. A baseline has the same colour in every figure.

BEGIN {
	FS = "\t"
	n = split("gate inotify inotifywait poll futex send s6 redis memcached other", names, " ")
	split("#c0392b #2f73c4 #a77700 #7d4fb5 #5f6a76 #23864f #b8326f #0c7f86 #8a5a2b #5f6a76", light, " ")
	split("#ff7b6b #6cb2ff #e3b341 #c297ff #a8b3bf #5fd08e #ff8ac2 #4fd3d6 #dba873 #a8b3bf", dark, " ")
	for (i = 1; i <= n; i++) known[names[i]] = 1
}

$1 == "figure" { title = $2; subtitle = $3; source = $4 }
$1 == "panel" { panels++; heading[panels] = $2; xlabel[panels] = $3; unit[panels] = $4 }
$1 == "series" { s = ++series[panels]; key[panels, s] = colour($2); label[panels, s] = $3; note[panels, s] = $4 }
$1 == "point" { p = ++points[panels, s]; x[panels, s, p] = $2; y[panels, s, p] = $3 }
$1 == "bars" { is_bars = 1; heading[1] = $2; unit[1] = $3 }
$1 == "bar" {
	b = ++bars
	key[b] = colour($2); label[b] = $3; value[b] = $4; note[b] = $5; mark[b] = $6
	most = $4 > most ? $4 : most
	most = $6 != "" && $6 > most ? $6 : most
}
END { if (is_bars) draw_bars(); else draw_panels() }

function colour(name) { return name in known ? name : "other" }
function escape(text) { gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text); return text }
function log10(v) { return log(v) / log(10) }
function floor_of(v) { return v == int(v) || v > 0 ? int(v) : int(v) - 1 }
function ceiling_of(v) { return -floor_of(-v) }

function grouped(v, text, out) {
	text = sprintf("%d", v)
	while (length(text) > 3) {
		out = "," substr(text, length(text) - 2) out
		text = substr(text, 1, length(text) - 3)
	}
	return text out
}
# Three digits at most.
function short(v) { return v >= 1000 ? grouped(v) : sprintf(v >= 100 || v == int(v) ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v) }
function with_unit(v, u) {
	if (u != "us") return short(v) (u == "" ? "" : " " u)
	if (v >= 1000000) return short(v / 1000000) " s"
	return v >= 1000 ? short(v / 1000) " ms" : short(v) " µs"
}

function style(i, rules) {
	for (i = 1; i <= n; i++)
		rules = rules ".l-" names[i] "{stroke:" light[i] "}.f-" names[i] "{fill:" light[i] "}"
	rules = rules "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9da7b3}.grid{stroke:#3d444d}"
	for (i = 1; i <= n; i++)
		rules = rules ".l-" names[i] "{stroke:" dark[i] "}.f-" names[i] "{fill:" dark[i] "}"
	return "text{fill:#1f2328;font-size:12px}.title{font-size:18px;font-weight:bold}.head{font-size:13px;font-weight:bold}" \
		".note{fill:#59636e}.grid{stroke:#d1d9e0}.line{fill:none;stroke-width:2}.main{stroke-width:3.5}.end{font-weight:bold}" \
		rules "}"
}

function begin_figure(width, height) {
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" " \
		"font-family=\"system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif\">\n", width, height, width, height
	printf "<title>%s</title>\n<style>%s</style>\n", escape(title), style()
	text_at(16, 28, "title", "start", title)
	text_at(16, 49, "note", "start", subtitle)
	text_at(16, height - 10, "note", "start", source)
}

function text_at(tx, ty, class, anchor, text) {
	printf "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">%s</text>\n", tx, ty, class, anchor, escape(text)
}

function draw_panels(i, width) {
	width = panels > 1 ? 480 : 900
	begin_figure(width * panels, 460)
	for (i = 1; i <= panels; i++) draw_panel(i, (i - 1) * width, width)
	print "</svg>"
}

# The panel has room for labels at its right.
function draw_panel(i, left, width, s, p, v) {
	x0 = left + 66; x1 = left + width - (panels > 1 ? 168 : 260); y0 = 392; y1 = 96
	lo = hi = ""
	xlo = xhi = ""
	for (s = 1; s <= series[i]; s++)
		for (p = 1; p <= points[i, s]; p++) {
			v = y[i, s, p] + 0
			if (lo == "" || v < lo) lo = v
			if (hi == "" || v > hi) hi = v
			v = x[i, s, p] + 0
			if (xlo == "" || v < xlo) xlo = v
			if (xhi == "" || v > xhi) xhi = v
		}
	if (lo == "") return
	lo = floor_of(log10(lo)); hi = ceiling_of(log10(hi))
	if (hi == lo) hi++
	xlo = log10(xlo); xhi = log10(xhi)
	if (xhi == xlo) xhi++
	text_at(left + 16, 80, "head", "start", heading[i])
	for (v = lo; v <= hi; v++) {
		printf "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", x0, x1, at_y(10 ^ v), at_y(10 ^ v)
		text_at(x0 - 8, at_y(10 ^ v) + 4, "note", "end", with_unit(10 ^ v, unit[i]))
	}
	for (v = ceiling_of(xlo); v <= xhi; v++)
		if (x1 - at_x(10 ^ v) > 44 || xhi == v)
			text_at(at_x(10 ^ v), y0 + 18, "note", "middle", grouped(10 ^ v))
	if (xhi != int(xhi)) text_at(x1, y0 + 18, "note", "middle", grouped(10 ^ xhi + 0.5))
	text_at((x0 + x1) / 2, y0 + 36, "note", "middle", xlabel[i])
	for (s = 1; s <= series[i]; s++) if (key[i, s] != "gate") draw_line(i, s)
	for (s = 1; s <= series[i]; s++) if (key[i, s] == "gate") draw_line(i, s)
	draw_labels(i)
}

function at_x(v) { return x0 + (log10(v) - xlo) / (xhi - xlo) * (x1 - x0) }
function at_y(v) { return y0 - (log10(v) - lo) / (hi - lo) * (y0 - y1) }

function draw_line(i, s, p, path) {
	for (p = 1; p <= points[i, s]; p++) path = path sprintf("%.1f,%.1f ", at_x(x[i, s, p]), at_y(y[i, s, p]))
	printf "<polyline class=\"line l-%s%s\" points=\"%s\"/>\n", key[i, s], key[i, s] == "gate" ? " main" : "", path
	for (p = 1; p <= points[i, s]; p++)
		printf "<circle class=\"f-%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n", key[i, s], at_x(x[i, s, p]), at_y(y[i, s, p])
}

# Sorted by their ends, and moved apart until each has its line: down, and up again from the bottom.
function draw_labels(i, s, t, count, order, end) {
	for (s = 1; s <= series[i]; s++) {
		if (points[i, s] == 0) continue
		end[s] = at_y(y[i, s, points[i, s]]) + 4
		for (t = ++count; t > 1 && end[order[t - 1]] > end[s]; t--) order[t] = order[t - 1]
		order[t] = s
	}
	for (t = 2; t <= count; t++)
		if (end[order[t]] < end[order[t - 1]] + 17) end[order[t]] = end[order[t - 1]] + 17
	if (count > 0 && end[order[count]] > y0 + 4) end[order[count]] = y0 + 4
	for (t = count - 1; t >= 1; t--)
		if (end[order[t]] > end[order[t + 1]] - 17) end[order[t]] = end[order[t + 1]] - 17
	for (t = 1; t <= count; t++) {
		s = order[t]
		printf "<text x=\"%.1f\" y=\"%.1f\"><tspan class=\"end f-%s\">%s</tspan><tspan class=\"note\" dx=\"6\">%s</tspan></text>\n", \
			x1 + 12, end[s], key[i, s], escape(label[i, s]), escape(note[i, s])
	}
}

function draw_bars(b, width, top, length_of) {
	width = 900
	begin_figure(width, 110 + 26 * bars)
	text_at(16, 74, "head", "start", heading[1])
	for (b = 1; b <= bars; b++) {
		top = 66 + 26 * b
		length_of = most > 0 ? value[b] / most * 340 : 0
		text_at(300, top + 12, "", "end", label[b])
		printf "<rect class=\"f-%s\" x=\"310\" y=\"%d\" width=\"%.1f\" height=\"16\" rx=\"2\"/>\n", key[b], top, length_of
		if (mark[b] != "")
			printf "<line class=\"l-other\" stroke-width=\"3\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n", \
				310 + mark[b] / most * 340, 310 + mark[b] / most * 340, top - 2, top + 18
		printf "<text x=\"%.1f\" y=\"%d\">%s<tspan class=\"note\" dx=\"6\">%s</tspan></text>\n", \
			318 + (mark[b] > value[b] ? mark[b] : value[b]) / (most > 0 ? most : 1) * 340, top + 12, with_unit(value[b], unit[1]), escape(note[b])
	}
	print "</svg>"
}
