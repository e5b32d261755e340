// What the demo shows: where the keys went, and how to go on from there.

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

const barCells = 40 // of a bar that stands for everything

// draw shows which worker had the clients and which server has the keys.
func (d *demo) draw(out io.Writer, r loadResult) error {
	w := new(strings.Builder)
	fmt.Fprintf(w, "\n%s keys written and read back through the proxy in %.2f s, each found where it belongs.\n\n",
		thousands(r.keys), r.elapsed.Seconds())

	entry := fmt.Sprintf("  %d clients ──► %s ─", demoClients, d.pool.Listen.Text)
	indent := strings.Repeat(" ", len([]rune(entry)))
	for i, clients := range r.perWorker {
		lead, branch := indent, "├"
		switch {
		case i == 0:
			lead, branch = entry, "┬"
		case i == len(r.perWorker)-1:
			branch = "└"
		}
		fmt.Fprintf(w, "%s%s─ worker %d  %3d clients  %s\n", lead, branch, i, clients, bar(clients, demoClients))
	}
	fmt.Fprintln(w)
	for i, s := range r.perServer {
		server := d.pool.Servers[i]
		fmt.Fprintf(w, "  %s  %s  %8s keys  %8s requests  %s\n",
			server.Name, server.Address, thousands(s.keys), thousands(int(s.requests)), bar(s.keys, r.keys))
	}
	_, err := io.WriteString(out, w.String())
	return err
}

// bar draws part of whole; what is not nothing has at least a sliver.
func bar(part, whole int) string {
	const eighths = "▏▎▍▌▋▊▉"
	n := (part*barCells*8 + whole/2) / whole
	if n == 0 && part > 0 {
		n = 1
	}
	text := strings.Repeat("█", n/8)
	if rest := n % 8; rest > 0 {
		text += string([]rune(eighths)[rest-1])
	}
	return text
}

// thousands writes a number with commas: 10,000.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// invite tells how to try it oneself.
func (d *demo) invite(out io.Writer) error {
	_, err := fmt.Fprintf(out, `
Try it:
  redis-cli -p %d
  %s route -c %s user:1
  nc %s %d    the statistics
  tail -f %s

Ctrl-C ends the demo.
`, d.port, os.Args[0], d.file("nutcracker.yml"), demoHost, d.statsPort, d.file("pinion.log"))
	return err
}
