// What a comparison has found, for machines and for people.

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// results is a comparison, as JSON.
type results struct {
	Date     time.Time `json:"date"`
	Machine  string    `json:"machine"`
	CPUs     int       `json:"cpus"`
	Load     string    `json:"load_average"` // of the machine, at the end
	Left     []string  `json:"left"`         // the command line
	Right    []string  `json:"right"`        // the command line
	Rounds   int       `json:"rounds"`
	Seconds  float64   `json:"seconds_per_round"`
	Servers  int       `json:"servers"`
	Outcomes []outcome `json:"outcomes"`
}

func newResults(b *bench, outcomes []outcome) results {
	return results{
		Date:     time.Now().UTC().Truncate(time.Second),
		Machine:  runtime.GOOS + "/" + runtime.GOARCH,
		CPUs:     len(b.cpus.all),
		Load:     loadAverage(),
		Left:     b.left.args,
		Right:    b.right.args,
		Rounds:   b.rounds,
		Seconds:  b.time.Seconds(),
		Servers:  b.servers,
		Outcomes: outcomes,
	}
}

// loadAverage returns how busy the machine was, over 1, 5 and 15 minutes: a comparison is worth more on an idle one.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// printTables writes the outcomes as Markdown tables that can be read as they are, too: a new one where other arms
// meet.
func printTables(w io.Writer, outcomes []outcome) {
	for len(outcomes) > 0 {
		n := 1
		for n < len(outcomes) && (outcomes[n].Error != "" || sameArms(outcomes[n], outcomes[0])) {
			n++
		}
		printAligned(w, tableOf(outcomes[:n]))
		fmt.Fprintln(w)
		outcomes = outcomes[n:]
	}
}

func sameArms(x, y outcome) bool { return x.Left == y.Left && x.Right == y.Right }

// tableOf returns the cells of one table, its head first.
func tableOf(outcomes []outcome) [][]string {
	lines := [][]string{{"load", "metric", outcomes[0].Left, outcomes[0].Right, "ratio", "min … max", "goal", ""}}
	for _, o := range outcomes {
		title := o.Title
		if o.Error != "" {
			first, _, _ := strings.Cut(o.Error, "\n")
			lines = append(lines, []string{title, first, "", "", "", "", "", ""})
		}
		for _, c := range o.Metrics {
			lines = append(lines, append([]string{title}, c.cells()...))
			title = ""
		}
	}
	return lines
}

// cells returns what the table says of a metric.
func (c *comparison) cells() []string {
	left, right := spreadOf(c.Left).Median, spreadOf(c.Right).Median
	cells := []string{
		c.Metric + ", " + c.Unit, fmt.Sprintf(c.format, left), fmt.Sprintf(c.format, right), "", "", c.Goal, "",
	}
	if c.Ratio != nil {
		cells[3] = fmt.Sprintf("%.2f", c.Ratio.Median)
		cells[4] = fmt.Sprintf("%.2f … %.2f", c.Ratio.Min, c.Ratio.Max)
	}
	if c.Met != nil && *c.Met {
		cells[6] = "met"
	} else if c.Met != nil {
		cells[6] = "missed"
	}
	return cells
}

// printAligned writes lines of cells; the first line is the head.
func printAligned(w io.Writer, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, line := range lines {
		for j, cell := range line {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(w, "|")
		if i > 0 {
			continue
		}
		for _, width := range widths {
			fmt.Fprintf(w, "|%s", strings.Repeat("-", width+2))
		}
		fmt.Fprintln(w, "|")
	}
}
