// The model: what is looked at, how, and what came last.

package top

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// model is the state of the page.
type model struct {
	latest, earlier *Sample // of those that are shown
	failure         string  // why there is nothing newer; empty: there is
	interval        time.Duration
	paused          bool
	help            bool
	width, height   int

	whole  whole // of the table, for the keys until the next sample: with thousands of servers it takes a while
	look   look
	behind []look // from which the present one was reached
	typing bool   // what is typed goes to the filter
}

// whole is all rows of a table.
type whole struct {
	of    span
	table int
	where where
	rows  []row
}

// look is a way to look at a table.
type look struct {
	table    int
	of       where // nil: everything
	column   int   // by which it is sorted
	upwards  bool  // the smallest first
	filter   string
	selected int // row
	first    int // row that is at the top
}

func newModel(table int, interval time.Duration) *model {
	return &model{look: lookAt(table), interval: interval, width: 80, height: 24}
}

// lookAt looks at a table as one does at first.
func lookAt(table int) look {
	return look{table: table, column: tables[table].sort, upwards: tables[table].columns[tables[table].sort].unit == words}
}

func (m *model) table() *table { return &tables[m.look.table] }

// needsClients tells whether clients have to be asked for.
func (m *model) needsClients() bool { return m.table().name == "clients" }

// clientsEvery is how often clients are asked for at most: workers spend some µs on each.
const clientsEvery = 2 * time.Second

// every is how long it is from one look to the next.
func (m *model) every() time.Duration {
	if m.needsClients() {
		return max(m.interval, clientsEvery)
	}
	return m.interval
}

// take takes a sample, or why there is none.
func (m *model) take(s *Sample, err error) {
	m.failure = ""
	switch {
	case err != nil:
		m.failure = err.Error()
	case m.paused && m.latest != nil:
	default:
		m.earlier, m.latest = m.latest, s
	}
}

// rows are those that are shown, in order.
func (m *model) rows() []row {
	if m.latest == nil {
		return nil
	}
	rows := slices.Clone(m.all())
	if m.look.filter != "" {
		rows = slices.DeleteFunc(rows, func(r row) bool { return !r.has(m.table(), m.look.filter) })
	}
	sortRows(rows, m.look.column, m.table().columns[m.look.column].unit, m.look.upwards)
	return rows
}

// all returns all rows of the table, as they were made last if nothing has changed since.
func (m *model) all() []row {
	w, now := &m.whole, span{m.latest, m.earlier}
	if w.rows == nil || w.of != now || w.table != m.look.table || !maps.Equal(w.where, m.look.of) {
		*w = whole{now, m.look.table, m.look.of, m.table().rows(now, m.look.of)}
	}
	return w.rows
}

// has tells whether a word of the row contains the filter, whatever the case.
func (r *row) has(t *table, filter string) bool {
	for i, v := range r.cells {
		if t.columns[i].unit == words && strings.Contains(strings.ToLower(v.text), strings.ToLower(filter)) {
			return true
		}
	}
	return false
}

// sortRows sorts by a column; rows that are alike there keep the order of their first one.
func sortRows(rows []row, column int, u unit, upwards bool) {
	slices.SortStableFunc(rows, func(a, b row) int {
		order := a.cells[column].compare(b.cells[column], u)
		if !upwards {
			order = -order
		}
		return cmp.Or(order, a.cells[0].compare(b.cells[0], words))
	})
}

// open looks at a table, from where one can come back.
func (m *model) open(table int, of where) {
	m.behind = append(m.behind, m.look)
	m.look = lookAt(table)
	m.look.of = of
}

// back comes back; first from a filter.
func (m *model) back() {
	switch {
	case m.look.filter != "":
		m.look.filter = ""
	case len(m.behind) > 0:
		m.look = m.behind[len(m.behind)-1]
		m.behind = m.behind[:len(m.behind)-1]
	}
}

// enter looks at what the selected row is made of.
func (m *model) enter() {
	rows := m.rows()
	if m.look.selected >= len(rows) || m.table().below == "" || rows[m.look.selected].into == nil {
		return
	}
	m.open(tableNamed(m.table().below), rows[m.look.selected].into)
}

// move selects another row.
func (m *model) move(by int) {
	m.look.selected = max(0, min(m.look.selected+by, len(m.rows())-1))
}

// shift sorts by another column.
func (m *model) shift(by int) {
	n := len(m.table().columns)
	m.look.column = (m.look.column + by + n) % n
	m.look.upwards = m.table().columns[m.look.column].unit == words
}

// show looks at a table of its own.
func (m *model) show(table int) {
	m.behind = nil
	m.look = lookAt((table + len(tables)) % len(tables))
}
