"""Draws lanes, events and arrows: as text, as Mermaid and as an SVG."""
import re
from html import escape

COLOURS = {"1": "#2f74e8", "2": "#dd5a12"}  # of the connections, by client
ROW, CAPTION_ROW, MARGIN, LETTER = 23, 34, 24, 7.25
LANE, ONLY_LANE = 212, 320  # width: of a thread's lane, and of a program that has one thread
STYLE = """
text { font: 12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2937 }
.title { font-size: 15px; font-weight: bold }
.head { text-anchor: middle; font-weight: bold }
.sub { fill: #6b7280 }
.call { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
.error { fill: #9ca3af }
.caption { font-style: italic; fill: #4b5563 }
.caption { paint-order: stroke; stroke: #e5e7eb; stroke-width: 4px }
.band { fill: #e5e7eb; opacity: .6 }
.program { fill: #f8fafc; stroke: #cbd5e1 }
.life { stroke: #94a3b8; stroke-width: 1.5 }
.wait { fill: #cbd5e1 }
.arrow { fill: none; stroke-width: 1.7 }
.SYN, .FIN { stroke-dasharray: 5 4 }
.kind { font-size: 10px; text-anchor: middle }
.kind { paint-order: stroke; stroke: #ffffff; stroke-width: 3px }
.page { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e5e7eb } .page { fill: #0f172a } .program { fill: #1e293b; stroke: #475569 }
  .call, .kind { stroke: #1e293b } .caption { fill: #cbd5e1; stroke: #334155 }
  .band { fill: #334155 }
  .sub, .error { fill: #94a3b8 } .wait { fill: #475569 }
}
"""


class Picture:
    """What a play has shown. `captions` has one entry a step, empty if nobody did anything."""

    def __init__(self, play, lanes, events, arrows):
        self.stage, self.lanes, self.events, self.arrows = play.stage, lanes, events, arrows
        self.captions = [mark.caption for mark in play.marks]
        self.column = {lane: index for index, lane in enumerate(lanes)}
        self.born = {
            lane: min(event.row for event in events if event.lane == lane or event.creates == lane)
            for lane in lanes
        }
        self.died = {lane: self.find_end(play, lane) for lane in lanes}

    def title(self, lane):
        """The name of a lane; that of the program alone, if it has no other."""
        return lane[0] if self.is_alone(lane) else "%s, %s" % lane

    def is_alone(self, lane):
        return sum(other[0] == lane[0] for other in self.lanes) == 1

    def find_end(self, play, lane):
        """The last row of a lane: a program ends, or a thread that was done with its connection."""
        calls = [event for event in self.events if event.lane == lane]
        done = calls and calls[-1].name in ("close", "shutdown") and lane[1] != "main"
        return calls[-1].row if calls and (done or lane[0] in play.ended) else len(self.events)

    def rows(self):
        """Each caption and each event, in order."""
        step = -1
        for event in self.events:
            while step < event.step:
                step += 1
                if self.captions[step]:
                    yield step, None
            yield event.step, event

    def arriving(self, event):
        return [arrow for arrow in self.arrows if arrow.target is event]

    # --- text: a column for each lane, a dot for each call, an arrow where bytes arrive

    def text(self):
        width = 4 * len(self.lanes)
        lines = ["│   " * index + self.title(lane) for index, lane in enumerate(self.lanes)]
        row = -1
        for step, event in self.rows():
            if event is None:
                lines.append(self.text_cells(row, {}, width) + "· " + self.captions[step])
                continue
            row = event.row
            cells = {}
            for arrow in self.arriving(event):
                self.text_arrow(cells, row, self.column[arrow.source.lane], self.column[event.lane])
            cells[4 * self.column[event.lane]] = "●"
            lines.append(self.text_cells(row, cells, width) + event.text)
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def text_cells(self, row, cells, width):
        line = []
        for place in range(width):
            line.append(cells.get(place, self.text_line(place, row)))
        return "".join(line)

    def text_line(self, place, row):
        lane = self.lanes[place // 4]
        if place % 4 != 0 or row > self.died[lane]:
            return " "
        return "│" if row >= self.born[lane] else "┊"

    def text_arrow(self, cells, row, source, target):
        step = 1 if target > source else -1
        for place in range(4 * source, 4 * target, step):
            cells[place] = "─" if self.text_line(place, row) == " " else "┼"
        cells[4 * source] = "├" if step == 1 else "┤"
        if row > self.died[self.lanes[source]]:
            cells[4 * source] = "╶" if step == 1 else "╴"
        cells[4 * target - step] = "▸" if step == 1 else "◂"

    # --- Mermaid

    def mermaid(self):
        names = {lane: "L%d" % index for lane, index in self.column.items()}
        lines = ["sequenceDiagram"] + [
            "    participant %s as %s" % (names[lane], self.title(lane)) for lane in self.lanes
        ]
        notes, lane = [], None

        def flush():
            if notes:
                lines.append("    Note over %s: %s" % (names[lane], "<br/>".join(notes)))
                notes.clear()

        for step, event in self.rows():
            arrows = self.arriving(event) if event else []
            if event is None or event.lane != lane or arrows:
                flush()
            if event is None:
                lines.append(
                    "    Note over %s,%s: %s"
                    % ("L0", "L%d" % (len(self.lanes) - 1), self.captions[step])
                )
                lane = None
                continue
            for arrow in arrows:
                sign = "->>" if arrow.kind == "data" else "-->>"
                lines.append(
                    "    %s%s%s: %s"
                    % (names[arrow.source.lane], sign, names[event.lane], self.safe(arrow.label))
                )
            lane = event.lane
            notes.append(self.safe(event.text))
        flush()
        return "\n".join(lines) + "\n"

    @staticmethod
    def safe(text):
        """Text in which Mermaid finds nothing that it takes for its own."""
        return re.sub("[#;<>]", lambda match: "#%d;" % ord(match.group()), text)

    # --- SVG

    def svg(self):
        self.place()
        parts = [
            self.svg_programs(),
            self.svg_bands(),
            self.svg_lives(),
            self.svg_waits(),
            self.svg_captions(),
            self.svg_calls(),
            self.svg_arrows(),
        ]
        size = (self.width, self.height)
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            + 'viewBox="0 0 %d %d" width="%d" height="%d">\n' % (size + size)
            + "<title>%s: what its programs do</title>\n" % self.stage
            + "<style>%s</style>\n%s\n" % (STYLE, self.svg_markers())
            + '<rect class="page" width="100%" height="100%"/>\n'
            + '<text class="title" x="%d" y="26">%s</text>\n' % (MARGIN, self.stage)
            + "".join(parts)
            + "</svg>\n"
        )

    def place(self):
        """Where everything stands: x of each lane, y of each row."""
        self.left, self.y, self.caption_y = {}, {}, {}
        x, y = MARGIN, 70 if all(self.is_alone(lane) for lane in self.lanes) else 88
        for lane in self.lanes:
            self.left[lane] = x
            x += ONLY_LANE if self.is_alone(lane) else LANE
        for step, event in self.rows():
            if event is None:
                y += CAPTION_ROW
                self.caption_y[step] = y - 4
            else:
                self.y[event.row] = y = y + ROW
        self.width, self.bottom = x + MARGIN - 10, y + 30
        self.height = self.bottom + MARGIN

    def x(self, lane):
        return self.left[lane] + 22

    def label_end(self, event):
        return self.x(event.lane) + 14 + LETTER * len(event.text)

    @staticmethod
    def svg_markers():
        return "<defs>%s</defs>" % "".join(
            '<marker id="to%s" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="%s"/></marker>' % pair
            for pair in COLOURS.items()
        )

    def svg_programs(self):
        parts = []
        for program in dict.fromkeys(lane[0] for lane in self.lanes):
            lanes = [lane for lane in self.lanes if lane[0] == program]
            wide = (LANE * len(lanes) if len(lanes) > 1 else ONLY_LANE) - 10
            left = self.left[lanes[0]]
            parts.append(
                '<rect class="program" x="%d" y="40" width="%d" height="%d" rx="8"/>\n'
                '<text class="head" x="%d" y="60">%s</text>\n'
                % (left, wide, self.bottom - 40, left + wide // 2, escape(program))
            )
            parts += [
                '<text class="sub" x="%d" y="80">%s</text>\n' % (self.x(lane) - 8, lane[1])
                for lane in lanes
                if len(lanes) > 1
            ]
        return "".join(parts)

    def svg_bands(self):
        return "".join(
            '<rect class="band" x="%d" y="%d" width="%d" height="21" rx="4"/>\n'
            % (MARGIN, y - 15, self.width - 2 * MARGIN)
            for y in self.caption_y.values()
        )

    def svg_captions(self):
        return "".join(
            '<text class="caption" x="%d" y="%d">%s</text>\n'
            % (MARGIN + 34, y, escape(self.captions[step]))
            for step, y in self.caption_y.items()
        )

    def life(self, lane):
        """From where to where a lane's line goes."""
        return self.y[self.born[lane]], self.y.get(self.died[lane], self.bottom - 12)

    def svg_lives(self):
        return "".join(
            '<line class="life" x1="%d" y1="%d" x2="%d" y2="%d"/>\n'
            % ((self.x(lane), self.life(lane)[0], self.x(lane), self.life(lane)[1]))
            for lane in self.lanes
        )

    def svg_waits(self):
        """A bar where a lane stands in a call, up to its end."""
        parts = []
        for lane in self.lanes:
            last = self.life(lane)[0]
            for event in [event for event in self.events if event.lane == lane]:
                y = self.y[event.row]
                if event.waited:
                    parts.append(self.svg_wait(lane, last, y, event.name))
                last = y
            if self.died[lane] == len(self.events):
                parts.append(self.svg_wait(lane, last, self.bottom - 12, "a call"))
        return "".join(parts)

    def svg_wait(self, lane, start, end, name):
        return (
            '<rect class="wait" x="%d" y="%d" width="8" height="%d" rx="4">'
            "<title>waits in %s</title></rect>\n"
            % (self.x(lane) - 4, start + 6, end - start - 6, escape(name))
        )

    def svg_calls(self):
        parts = []
        for event in self.events:
            x, y = self.x(event.lane), self.y[event.row]
            parts.append(
                '<circle cx="%d" cy="%d" r="4.5" fill="%s"/>'
                '<text class="call%s" x="%d" y="%d">%s</text>\n'
                % (
                    x,
                    y,
                    COLOURS.get(event.socket and event.socket.number, "#64748b"),
                    " error" if " = E" in event.text else "",
                    x + 10,
                    y + 4,
                    escape(event.text),
                )
            )
        return "".join(parts)

    def svg_arrows(self):
        """An arrow leaves, or reaches, a call where its text ends, if the text is in between."""
        parts = []
        for arrow in self.arrows:
            source, target = arrow.source, arrow.target
            number = target.socket.number
            if self.x(source.lane) < self.x(target.lane):
                x1, x2 = self.label_end(source), self.x(target.lane) - 6
            else:
                x1, x2 = self.x(source.lane) - 6, self.label_end(target)
            y1, y2 = self.y[source.row], self.y[target.row]
            parts.append(
                '<path class="arrow %s" stroke="%s" marker-end="url(#to%s)" '
                'd="M%d %dL%d %d">'
                "<title>%s</title></path>\n"
                % (arrow.kind, COLOURS[number], number, x1, y1, x2, y2, escape(arrow.label))
            )
            if arrow.kind != "data":
                parts.append(
                    '<text class="kind" x="%d" y="%d" style="fill:%s">%s</text>\n'
                    % ((x1 + x2) / 2, (y1 + y2) / 2 - 4, COLOURS[number], arrow.kind)
                )
        return "".join(parts)
