// Keys, and what they do.

package top

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// What the interval may be.
const (
	ShortestInterval = 200 * time.Millisecond
	LongestInterval  = time.Minute
)

const helpText = `
  1 2 3 4 5   pools, servers, commands, workers, clients; Tab: the next one
  up down     select a row; also k j, PgUp PgDn, Home End
  Enter       what the row is made of: a pool's servers, their clients, a worker's clients
  Esc         back; first without the filter
  left right  sort by another column
  r           the other way round
  /           filter: rows with a word that contains what you type; Enter ends it
  Space       pause, and go on
  + -         look more often, or less often
  ? or h      this text
  q           quit

  IN and OUT are bytes per second to and from servers, QUEUE requests that wait for
  a reply, P50 and P99 how long servers took since the last look, ERR/S of a
  pool what clients were told, of a server connections and replies that failed.
`

// key does what a key asks; it tells whether the page is to end.
func (m *model) key(name, typed string) (quit bool) {
	if name == "ctrl+c" {
		return true
	}
	if m.typing {
		m.typeFilter(name, typed)
		return false
	}
	if m.help {
		m.help = false
		return name == "q"
	}
	page := m.rowsShown()
	switch name {
	case "q":
		return true
	case "?", "h":
		m.help = true
	case "space":
		m.paused = !m.paused
	case "/":
		m.typing = true
	case "esc", "backspace":
		m.back()
	case "enter":
		m.enter()
	case "tab":
		m.show(m.look.table + 1)
	case "shift+tab":
		m.show(m.look.table - 1)
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-page)
	case "pgdown":
		m.move(page)
	case "home":
		m.move(-m.look.selected)
	case "end":
		m.move(len(m.rows()))
	case "left":
		m.shift(-1)
	case "right":
		m.shift(1)
	case "r":
		m.look.upwards = !m.look.upwards
	case "+":
		m.interval = max(ShortestInterval, m.interval/2)
	case "-":
		m.interval = min(LongestInterval, m.interval*2)
	default:
		if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(tables) {
			m.show(n - 1)
		}
	}
	return false
}

// maxFilter bounds what can be typed, in bytes.
const maxFilter = 60

func (m *model) typeFilter(name, typed string) {
	filter := &m.look.filter
	switch {
	case name == "enter":
		m.typing = false
	case name == "esc":
		m.typing, *filter = false, ""
	case name == "backspace":
		_, last := utf8.DecodeLastRuneInString(*filter)
		*filter = (*filter)[:len(*filter)-last]
	case len(*filter)+len(typed) <= maxFilter:
		*filter += visible(typed)
	}
	m.look.selected, m.look.first = 0, 0
}
