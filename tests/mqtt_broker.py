"""An MQTT 3.1.1 broker for tests, which fails as it is told: python3 mqtt_broker.py PORT_FILE FAULT [ARGUMENT]. Its port comes
into the file. Faults:
  mute: it accepts connections and answers nothing else
  forgetful SECONDS: the first message that says "ready" is acknowledged so late, and neither retained nor delivered
  refusing: it refuses each subscription
Prints a line for each packet that it takes: its type, and the client or topic.
"""

import selectors
import socket
import struct
import sys
import time

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, UNSUBSCRIBE, PINGREQ = 1, 3, 4, 8, 10, 12


def packet(first, body):
    size, rest = b"", len(body)
    while True:
        size += bytes([rest % 128 | (128 if rest > 127 else 0)])
        rest //= 128
        if rest == 0:
            return bytes([first]) + size + body


def string(body, at=0):
    length = struct.unpack_from(">H", body, at)[0]
    return body[at + 2:at + 2 + length].decode(), at + 2 + length


def matches(pattern, topic):
    levels, names = pattern.split("/"), topic.split("/")
    return len(levels) == len(names) and all(a in ("+", b) for a, b in zip(levels, names))


class Client:
    def __init__(self, broker, sock):
        self.broker, self.sock, self.data, self.patterns, self.sent = broker, sock, b"", [], 0

    def take(self):
        data = self.sock.recv(65536)
        if not data:
            return False
        self.data += data
        while (item := self.next_packet()) is not None:
            self.handle(*item)
        return True

    def next_packet(self):
        length, at = 0, 1
        while True:
            if len(self.data) <= at:
                return None
            length |= (self.data[at] & 127) << (7 * (at - 1))
            at += 1
            if self.data[at - 1] < 128:
                break
        if len(self.data) < at + length:
            return None
        first, body = self.data[0], self.data[at:at + length]
        self.data = self.data[at + length:]
        return first, body

    def answer(self, first, body):
        self.sock.sendall(packet(first, body))

    def deliver(self, topic, text, retained):
        self.sent += 1
        name = topic.encode()
        self.answer(0x32 | retained, struct.pack(">H", len(name)) + name + struct.pack(">H", self.sent) + text)

    def handle(self, first, body):
        kind = first >> 4
        if kind == CONNECT:
            # The name and level of the protocol, flags and the keepalive come first.
            print("connect", string(body, 10)[0], flush=True)
            self.answer(0x20, b"\0\0")
        elif self.broker.fault == "mute":
            return
        elif kind == PUBLISH:
            self.published(body)
        elif kind == SUBSCRIBE:
            self.subscribed(body)
        elif kind == UNSUBSCRIBE:
            self.answer(0xB0, body[:2])
        elif kind == PINGREQ:
            self.answer(0xD0, b"")

    def published(self, body):
        topic, at = string(body)
        mid, text = body[at:at + 2], body[at + 2:]
        print("publish", topic, flush=True)
        if self.broker.forgets(text):
            time.sleep(float(sys.argv[3]))
        else:
            self.broker.publish(topic, text)
        self.answer(0x40, mid)

    def subscribed(self, body):
        pattern, _ = string(body, 2)
        print("subscribe", pattern, flush=True)
        if self.broker.fault == "refusing":
            self.answer(0x90, body[:2] + b"\x80")
            return
        self.patterns.append(pattern)
        self.answer(0x90, body[:2] + b"\1")
        for topic, text in self.broker.retained.items():
            if matches(pattern, topic):
                self.deliver(topic, text, 1)


class Broker:
    def __init__(self, fault):
        self.fault, self.clients, self.retained, self.has_forgotten = fault, {}, {}, False

    def forgets(self, text):
        if self.fault != "forgetful" or self.has_forgotten or b'"ready"' not in text:
            return False
        self.has_forgotten = True
        return True

    def publish(self, topic, text):
        if text:
            self.retained[topic] = text
        else:
            self.retained.pop(topic, None)
        for client in self.clients.values():
            if any(matches(pattern, topic) for pattern in client.patterns):
                client.deliver(topic, text, 0)

    def serve(self, listener):
        selector = selectors.DefaultSelector()
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    sock = listener.accept()[0]
                    self.clients[sock] = Client(self, sock)
                    selector.register(sock, selectors.EVENT_READ)
                    continue
                try:
                    lives = self.clients[key.fileobj].take()
                except OSError:
                    lives = False
                if not lives:
                    selector.unregister(key.fileobj)
                    del self.clients[key.fileobj]
                    key.fileobj.close()


with socket.create_server(("127.0.0.1", 0)) as server:
    with open(sys.argv[1], "w", encoding="ascii") as file:
        print(server.getsockname()[1], file=file)
    Broker(sys.argv[2]).serve(server)
