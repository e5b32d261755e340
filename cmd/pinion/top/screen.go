// The screen: the model as lines of text. Colours say nothing that words do not say, too.

package top

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// What a terminal does with a line: a terminal without colours leaves them out.
const (
	bold    = "\x1b[1m"
	reverse = "\x1b[7m"
	red     = "\x1b[31m"
	plain   = "\x1b[m"
)

// headLines are those above the rows, and footLines those below.
const (
	headLines = 4
	footLines = 1
)

// rowsShown is how many rows there is room for.
func (m *model) rowsShown() int { return max(1, m.height-headLines-footLines) }

// screen writes everything, in lines that are no longer than the width.
func (m *model) screen() string {
	if m.help {
		return m.cut(strings.TrimPrefix(helpText, "\n"))
	}
	lines := []string{fit(m.who(), m.width), fit(m.figures(), m.width), fit(m.tabs(), m.width)}
	lines = append(lines, m.body()...)
	return strings.Join(append(lines, fit(m.foot(), m.width)), "\n")
}

// cut cuts a text to the size of the screen.
func (m *model) cut(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	lines = lines[:min(len(lines), m.height)]
	for i := range lines {
		lines[i] = strings.TrimRight(fit(lines[i], m.width), " ")
	}
	return strings.Join(lines, "\n")
}

// who says which Pinion it is.
func (m *model) who() string {
	if m.latest == nil {
		return "pinion"
	}
	s := &m.latest.Status
	what := s.Phase
	if d := s.Drain; d != nil {
		what += " at " + d.At.Local().Format(time.TimeOnly)
	}
	if s.Busy != "" {
		what += ", " + s.Busy + " under way"
	}
	text := fmt.Sprintf("pinion %s  generation %d  %s  up %s", s.Build, s.Generation, what, longDuration(float64(s.UptimeSeconds)))
	clock := m.latest.At.Format("15:04:05")
	return fmt.Sprintf("%-*s %s", max(0, m.width-len(clock)-1), visible(text), clock)
}

// figures are those of the whole proxy.
func (m *model) figures() string {
	if m.latest == nil {
		return "asking the proxy ..."
	}
	s := span{m.latest, m.earlier}
	if m.earlier == nil {
		return "measuring ..."
	}
	return fmt.Sprintf("%s req/s  %s err/s  %s clients  %s queued  p99 %s  in %s  out %s",
		num(s.rate(commands, nil)).format(perSecond), num(s.errors(nil)).format(perSecond), num(s.now.Metrics.sum(clientsNow, nil)).format(number),
		num(s.queued(nil)).format(number), num(s.quantile(0.99, replyTime, nil)).format(seconds),
		num(s.rate("pinion_server_request_bytes_total", nil)).format(bytes), num(s.rate("pinion_server_response_bytes_total", nil)).format(bytes))
}

// tabs names the tables, the present one in brackets.
func (m *model) tabs() string {
	text := ""
	for i := range tables {
		name := fmt.Sprintf("%d:%s", i+1, tables[i].name)
		if i == m.look.table {
			name = "[" + name + m.look.of.text() + "]"
		}
		text += name + "  "
	}
	return strings.TrimRight(text, " ")
}

// text says of what a table is.
func (w where) text() (text string) {
	for _, name := range []string{"pool", "server", "worker", "generation"} {
		if w[name] != "" {
			text += " of " + name + " " + visible(w[name])
		}
	}
	return text
}

// body is the header of the table and the rows that there is room for.
func (m *model) body() []string {
	rows, t, l := m.rows(), m.table(), &m.look
	l.selected = max(0, min(l.selected, len(rows)-1))
	l.first = max(0, min(l.first, l.selected, len(rows)-1))
	l.first = max(l.first, l.selected-m.rowsShown()+1)
	widths := t.widths(m.width)
	header := make([]string, len(t.columns))
	for i, c := range t.columns {
		header[i] = c.title
	}
	lines := []string{bold + fit("  "+align(t, widths, header), m.width) + plain}
	for i := l.first; i < l.first+m.rowsShown(); i++ {
		if i >= len(rows) {
			lines = append(lines, "")
			continue
		}
		lines = append(lines, m.line(t, widths, &rows[i], i == l.selected))
	}
	if len(rows) == 0 && m.latest != nil && len(lines) > 1 {
		lines[1] = fit("  nothing here", m.width)
	}
	return lines
}

// line is a row; what is wrong with it has a mark and, where there are colours, one of them.
func (m *model) line(t *table, widths []int, r *row, selected bool) string {
	cells := make([]string, len(r.cells))
	for i, v := range r.cells {
		cells[i] = v.format(t.columns[i].unit)
	}
	mark, style := " ", ""
	if r.bad {
		mark, style = "!", red
	}
	lead := " "
	if selected {
		lead, style = ">", style+reverse
	}
	text := fit(lead+mark+align(t, widths, cells), m.width)
	if style == "" {
		return text
	}
	return style + text + plain
}

// leadWidth is that of the marks before a row.
const leadWidth = 2

// widths are those of the columns; the first one, which is flexible, gets what is left. Columns that there is no room for get 0, the
// last ones first.
func (t *table) widths(screen int) []int {
	const least = 8
	all := make([]int, len(t.columns))
	left := screen - leadWidth - least
	for i, c := range t.columns[1:] {
		if left -= c.width + 1; left < 0 {
			left += c.width + 1
			break
		}
		all[i+1] = c.width
	}
	all[0] = least + left
	return all
}

// align puts cells under each other: words to the left, numbers to the right.
func align(t *table, widths []int, cells []string) string {
	parts := []string{}
	for i, cell := range cells {
		switch w := widths[i]; {
		case w == 0:
		case t.columns[i].unit == words:
			parts = append(parts, fit(cell, w))
		default:
			parts = append(parts, fmt.Sprintf("%*s", w, cutTo(cell, w)))
		}
	}
	return strings.Join(parts, " ")
}

// cutTo cuts a text that is too long; what takes several bytes takes one place, see visible.
func cutTo(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:max(0, width-1)]) + "~"
	}
	return text
}

// fit makes a text as long as it has to be.
func fit(text string, width int) string {
	text = cutTo(text, width)
	return text + strings.Repeat(" ", width-len([]rune(text)))
}

// foot says how the table is looked at, or what is wrong.
func (m *model) foot() string {
	l := &m.look
	if m.typing {
		return "filter: " + l.filter + "_"
	}
	text := ""
	if m.failure != "" {
		text += "NOT CURRENT: " + visible(m.failure) + "  "
	}
	if m.needsClients() && m.latest != nil && len(m.latest.Unheard) > 0 {
		text += "NOT ALL: " + visible(strings.Join(m.latest.Unheard, "; ")) + "  "
	}
	if m.paused {
		text += "PAUSED  "
	}
	if l.filter != "" {
		text += "filter: " + l.filter + "  "
	}
	order := "largest"
	switch isText := m.table().columns[l.column].unit == words; {
	case isText && l.upwards:
		order = "a to z"
	case isText:
		order = "z to a"
	case l.upwards:
		order = "smallest"
	}
	rows := len(m.rows())
	if last := min(l.first+m.rowsShown(), rows); rows > m.rowsShown() {
		text += fmt.Sprintf("%d-%d of %d  ", l.first+1, last, rows)
	}
	every := math.Round(m.every().Seconds()*10) / 10
	return text + fmt.Sprintf("by %s, %s first  every %gs  ? help  q quit", m.table().columns[l.column].title, order, every)
}
