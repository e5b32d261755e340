// A table for scripts, or for a terminal that can only print: once, or time and again.

package top

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Options say what is shown, and to whom.
type Options struct {
	Table    string // one of Names
	Interval time.Duration
	Filter   string
	Once     bool // one table, and the end
	JSON     bool // tables are JSON objects, one in a line
}

// object is a table as scripts get it.
type object struct {
	At         time.Time        `json:"at"`
	Table      string           `json:"table"`
	Generation uint64           `json:"generation"`
	Over       float64          `json:"measured_s"` // how long rates, shares and percentiles were measured
	Rows       []map[string]any `json:"rows"`
}

// print writes the table, without what a terminal understands.
func (m *model) print(out io.Writer, asJSON bool) error {
	rows, t := m.rows(), m.table()
	if asJSON {
		o := object{m.latest.At.UTC(), t.name, m.latest.Status.Generation, span{m.latest, m.earlier}.seconds(), []map[string]any{}}
		for _, r := range rows {
			cells := map[string]any{}
			for i, c := range t.columns {
				cells[c.key] = r.cells[i].json(c.unit)
			}
			o.Rows = append(o.Rows, cells)
		}
		return json.NewEncoder(out).Encode(o)
	}
	lines := []string{m.who(), m.figures(), ""}
	header := make([]string, len(t.columns))
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		header[i], widths[i] = c.title, len(c.title)
	}
	table := [][]string{header}
	for _, r := range rows {
		cells := make([]string, len(r.cells))
		for i, v := range r.cells {
			cells[i] = v.format(t.columns[i].unit)
			widths[i] = max(widths[i], len([]rune(cells[i])))
		}
		table = append(table, cells)
	}
	for _, cells := range table {
		lines = append(lines, align(t, widths, cells))
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err := fmt.Fprintf(out, "%s\n\n", strings.Join(lines, "\n"))
	return err
}
