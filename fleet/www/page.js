/*
 * The page: draws the fleet that the broker tells of, at most once a frame: the nodes that have changed, and the processes
 * of one node.
 */
"use strict";

const fleet = new Fleet();
const rows = new Map(); /* by node name */
const dirty = new Set(); /* nodes that have changed since the last frame */
const $ = (id) => document.getElementById(id);
const page = {selected: null, scheduled: false, client: null};

function cell(row, text, kind) {
	const td = row.insertCell();
	if (kind !== undefined)
		td.className = kind;
	td.textContent = text;
	return td;
}

function ago(time) {
	if (!isNumber(time))
		return "";
	const s = Math.max(0, Math.round((Date.now() - time) / 1000));
	if (s < 120)
		return `${s} s`;
	if (s < 7200)
		return `${Math.floor(s / 60)} min`;
	return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
}

function newRow(name) {
	const sorted = $("nodes").rows;
	let first = 0;
	for (let end = sorted.length; first < end;) {
		const middle = (first + end) >> 1;
		if (sorted[middle].dataset.name < name)
			first = middle + 1;
		else
			end = middle;
	}
	const row = $("nodes").insertRow(first);
	row.dataset.name = name;
	rows.set(name, row);
	row.tabIndex = 0;
	row.addEventListener("click", () => select(name));
	row.addEventListener("keydown", (event) => {
		if (event.key === "Enter" || event.key === " ")
			select(name);
	});
	return row;
}

function drawNode(name) {
	const node = fleet.nodes.get(name);
	if (node === undefined) {
		rows.get(name)?.remove();
		rows.delete(name);
		return;
	}
	const row = rows.get(name) ?? newRow(name);
	const counts = node.counts = countProcesses(node);
	row.replaceChildren();
	cell(row, name, "name");
	cell(row, stateOf(node), stateOf(node));
	cell(row, counts.ready, "number");
	cell(row, counts.waiting, "number");
	cell(row, counts.ended, "number");
	row.setAttribute("aria-selected", name === page.selected);
	row.hidden = !name.includes($("filter").value);
}

function drawProcesses() {
	const node = fleet.nodes.get(page.selected);
	const list = node === undefined ? [] : [...node.processes.values()].sort((a, b) => a.pid - b.pid);
	$("node").textContent = node === undefined ? "Processes" : `Processes of ${node.name}`;
	$("since").textContent = node === undefined || stateOf(node) === "online" ? "" :
		`${stateOf(node)} since ${ago(node.time)}: this is what was known last`;
	$("processes").replaceChildren();
	for (const process of list) {
		const row = $("processes").insertRow();
		row.classList.toggle("last-known", !isCurrent(node, process));
		cell(row, process.pid, "number");
		cell(row, process.name, "name");
		cell(row, process.verdict, process.verdict);
		cell(row, process.reason);
		cell(row, process.status, "number");
		cell(row, ago(process.time), "number");
	}
	$("no-processes").hidden = list.length > 0;
	$("no-processes").textContent = node === undefined ? "Select a node." : "No process of this node is known.";
}

function drawTotals() {
	const total = {online: 0, offline: 0, ready: 0, waiting: 0, ended: 0};
	for (const node of fleet.nodes.values()) {
		total[stateOf(node) === "online" ? "online" : "offline"]++;
		for (const key in node.counts)
			total[key] += node.counts[key];
	}
	for (const key in total)
		$(key).textContent = total[key];
	$("no-nodes").hidden = fleet.nodes.size > 0;
}

function draw() {
	page.scheduled = false;
	const drawsSelected = dirty.has(page.selected);
	dirty.forEach(drawNode);
	dirty.clear();
	if (drawsSelected)
		drawProcesses();
	drawTotals();
}

function changed(name) {
	dirty.add(name);
	if (!page.scheduled)
		requestAnimationFrame(draw);
	page.scheduled = true;
}

function select(name) {
	const before = page.selected;
	page.selected = name;
	if (before !== null)
		changed(before);
	changed(name);
}

function say(text) {
	$("connection").textContent = text;
}

/* The broker's address is that of this page, unless ?broker= names another one. */
function address() {
	const here = location.protocol === "https:" ? `wss://${location.host}` : `ws://${location.host}`;
	return new URLSearchParams(location.search).get("broker") ?? here;
}

function connect(login) {
	page.client?.end(true);
	page.client = mqtt.connect(address(), {protocolVersion: 4, reconnectPeriod: 2000, ...login});
	page.client.on("connect", () => {
		say("connected");
		$("login").hidden = true;
		/* What was cleared meanwhile is not told; what is retained comes again. */
		changedAll();
		fleet.nodes.clear();
		page.client.subscribe({"readyd/1/+/status": {qos: 1}, "readyd/1/+/process/+": {qos: 1}});
	});
	page.client.on("message", (topic, payload, packet) => {
		const name = fleet.take(topic, payload.toString(), packet.retain);
		if (name !== null)
			changed(name);
	});
	page.client.on("close", () => say("not connected; trying again"));
	page.client.on("error", (error) => {
		say(error.message);
		/* Bad user name or password, or not authorized. */
		$("login").hidden = error.code !== 4 && error.code !== 5;
	});
}

function changedAll() {
	for (const name of fleet.nodes.keys())
		changed(name);
}

$("filter").addEventListener("input", changedAll);
$("login").addEventListener("submit", (event) => {
	const form = new FormData(event.target);
	event.preventDefault();
	connect({username: form.get("user"), password: form.get("password")});
});
/* The times; and nodes fall silent. */
setInterval(() => page.selected !== null && changed(page.selected), 1000);
setInterval(changedAll, 10000);
connect({});
