/*
 * What the topics of readyd-fleet(7) say, as nodes with their processes. Knows neither the page nor MQTT. What others
 * have published is not trusted: a message that is not as documented is counted and changes nothing.
 */
"use strict";

const VERDICTS = ["ready", "pending", "died", "exited", "stale", "unreachable"];
const STATES = ["online", "offline", "unknown"];
const NODE = /^[A-Za-z0-9._-]{1,64}$/;
const PROCESS = /^[1-9][0-9]{0,9}:[0-9]{1,20}$/;
/* A node that is online says so twice as often at least; see readyd-fleet(7). */
const SILENT_MS = 90000;

class Fleet {
	constructor() {
		this.nodes = new Map();
		this.refused = 0;
	}

	/* Returns the name of the node that has changed, or null. retained: it may be from long ago. */
	take(topic, text, retained) {
		const part = topic.split("/");
		if (part[0] !== "readyd" || part[1] !== "1" || !NODE.test(part[2] || ""))
			return this.refuse();
		if (part.length === 4 && part[3] === "status")
			return this.takeStatus(part[2], text, retained);
		if (part.length === 5 && part[3] === "process" && PROCESS.test(part[4]))
			return this.takeProcess(part[2], part[4], text);
		return this.refuse();
	}

	refuse() {
		this.refused++;
		return null;
	}

	node(name) {
		let node = this.nodes.get(name);
		if (node === undefined) {
			node = {name, said: "unknown", epoch: null, time: null, heard: 0, processes: new Map()};
			this.nodes.set(name, node);
		}
		return node;
	}

	takeStatus(name, text, retained) {
		if (text === "")
			return this.forget(name);
		const said = parse(text);
		if (said === null || !STATES.includes(said.state) || said.epoch === undefined || !isNumber(said.time_ms))
			return this.refuse();
		const heard = retained ? said.time_ms : Date.now();
		Object.assign(this.node(name), {said: said.state, epoch: said.epoch, time: said.time_ms, heard});
		return name;
	}

	/* A node without a status stays while it has processes. */
	forget(name) {
		const node = this.node(name);
		Object.assign(node, {said: "unknown", epoch: null, time: null});
		if (node.processes.size === 0)
			this.nodes.delete(name);
		return name;
	}

	takeProcess(name, id, text) {
		if (text === "") {
			this.node(name).processes.delete(id);
			return this.node(name).epoch === null ? this.forget(name) : name;
		}
		const said = parse(text);
		if (said === null || !VERDICTS.includes(said.verdict) || said.epoch === undefined)
			return this.refuse();
		this.node(name).processes.set(id, {
			id, pid: Number(id.split(":")[0]), name: String(said.name ?? ""), verdict: said.verdict,
			reason: said.reason ?? "", status: statusOf(said), epoch: said.epoch, time: said.time_ms,
		});
		return name;
	}
}

/* An epoch is more than a number holds here, so it is kept as text. Within a string, its name cannot stand so. */
function parse(text) {
	try {
		const value = JSON.parse(text.replace(/"epoch":([0-9]+)/, '"epoch":"$1"'));
		return typeof value === "object" ? value : null;
	} catch {
		return null;
	}
}

function isNumber(value) {
	return typeof value === "number" && value >= 0;
}

function statusOf(said) {
	if (isNumber(said.signal))
		return `signal ${said.signal}`;
	return said.status === null || said.status === undefined ? "" : String(said.status);
}

/* What the node said last, unless it should have said something since. */
function stateOf(node) {
	return node.said === "online" && Date.now() - node.heard > SILENT_MS ? "unknown" : node.said;
}

/* Whether it is what the node says now, and not what is remembered of it. */
function isCurrent(node, process) {
	return stateOf(node) === "online" && process.epoch === node.epoch;
}

/* ready, waiting and ended processes of a node. */
function countProcesses(node) {
	const counts = {ready: 0, waiting: 0, ended: 0};
	for (const process of node.processes.values()) {
		if (process.verdict === "died" || process.verdict === "exited")
			counts.ended++;
		else if (process.verdict === "ready" && isCurrent(node, process))
			counts.ready++;
		else
			counts.waiting++;
	}
	return counts;
}
