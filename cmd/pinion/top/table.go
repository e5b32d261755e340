// The tables: by what, which columns, and where their values come from.

package top

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// column is one of a table.
type column struct {
	title string // as people see it; lower case sorts by it
	key   string // as scripts see it, with the unit
	width int    // in places; 0: what is left
	unit  unit
}

// row is one thing that a table is about.
type row struct {
	cells []value
	into  where // what the tables below it are about; nil: there are none
	bad   bool  // something is wrong with it
}

// table is a way to look at the proxy.
type table struct {
	name    string
	columns []column
	sort    int    // column that it is sorted by at first
	below   string // table that a row leads to
	rows    func(s span, of where) []row
}

// Names are the names of the tables.
func Names() (names []string) {
	for i := range tables {
		names = append(names, tables[i].name)
	}
	return names
}

func tableNamed(name string) int {
	return slices.IndexFunc(tables, func(t table) bool { return t.name == name })
}

const (
	requests   = "pinion_server_requests_total"
	commands   = "pinion_commands_total"
	clientsNow = "pinion_client_connections"
	replyTime  = "pinion_server_response_seconds"
)

var tables = []table{
	{name: "pools", sort: 2, below: "servers", rows: pools, columns: []column{
		{"POOL", "pool", 0, words},
		{"CLIENTS", "clients", 7, number},
		{"REQ/S", "requests_per_s", 6, perSecond},
		{"ERR/S", "errors_per_s", 6, perSecond},
		{"IN/S", "in_bytes_per_s", 6, bytes},
		{"OUT/S", "out_bytes_per_s", 6, bytes},
		{"QUEUE", "queued_requests", 6, number},
		{"P50", "p50_s", 6, seconds},
		{"P99", "p99_s", 6, seconds},
		{"LIVE", "servers_live", 5, words},
	}},
	{name: "servers", sort: 3, below: "clients", rows: servers, columns: []column{
		{"SERVER", "server", 0, words},
		{"POOL", "pool", 10, words},
		{"STATE", "state", 7, words},
		{"REQ/S", "requests_per_s", 6, perSecond},
		{"SHARE", "share", 5, share},
		{"ERR/S", "errors_per_s", 5, perSecond},
		{"QUEUE", "queued_requests", 6, number},
		{"CONNS", "connections", 5, number},
		{"P50", "p50_s", 6, seconds},
		{"P99", "p99_s", 6, seconds},
	}},
	{name: "commands", sort: 2, rows: families, columns: []column{
		{"COMMANDS", "family", 0, words},
		{"POOL", "pool", 16, words},
		{"REQ/S", "requests_per_s", 7, perSecond},
		{"SHARE", "share", 6, share},
		{"TOTAL", "requests_total", 8, number},
	}},
	{name: "workers", sort: 4, below: "clients", rows: workers, columns: []column{
		{"WORKER", "worker", 0, words},
		{"PID", "pid", 8, words},
		{"STATE", "state", 9, words},
		{"CLIENTS", "clients", 7, number},
		{"CPU", "cpu", 5, share},
		{"CONNS", "connections", 6, number},
		{"HELD", "held_bytes", 6, bytes},
		{"MEMORY", "resident_bytes", 6, bytes},
		{"AGE", "age_s", 6, age},
	}},
	{name: "clients", sort: 7, rows: clients, columns: []column{
		{"ADDRESS", "address", 0, words},
		{"ID", "id", 10, words},
		{"NAME", "name", 7, words},
		{"POOL", "pool", 7, words},
		{"STATE", "state", 8, words},
		{"IDLE", "idle_s", 5, age},
		{"QUEUE", "queued_requests", 5, number},
		{"BYTES", "held_bytes", 6, bytes},
		{"COMMAND", "command", 7, words},
	}},
}

// pools are those of the generation that serves.
func pools(s span, of where) (rows []row) {
	for i := range s.now.Status.Pools {
		p := &s.now.Status.Pools[i]
		w := where{"pool": p.Name}
		live := 0
		for _, server := range p.Servers {
			live += btoi(server.State == "live")
		}
		rows = append(rows, row{into: w, bad: live < len(p.Servers) || s.failures(w) > 0, cells: []value{
			text(p.Name), num(s.now.Metrics.sum(clientsNow, w)), num(s.rate(commands, w)), num(s.errors(w)),
			num(s.rate("pinion_server_request_bytes_total", w)), num(s.rate("pinion_server_response_bytes_total", w)), num(s.queued(w)),
			num(s.quantile(0.5, replyTime, w)), num(s.quantile(0.99, replyTime, w)), text(fmt.Sprintf("%d/%d", live, len(p.Servers))),
		}})
	}
	return rows
}

// errors are all requests of clients that got an error, be it of a server, in a second.
func (s span) errors(w where) (rate float64) {
	for _, name := range []string{"pinion_forward_errors_total", "pinion_error_replies_total", "pinion_refused_commands_total"} {
		rate += s.rate(name, w)
	}
	return rate
}

// queued are the requests that servers have not replied to.
func (s span) queued(w where) float64 {
	return s.now.Metrics.sum("pinion_server_in_queue_requests", w) + s.now.Metrics.sum("pinion_server_out_queue_requests", w)
}

// failures are connections to servers and replies of them that have failed, in a second.
func (s span) failures(w where) float64 {
	return s.rate("pinion_server_errors_total", w) + s.rate("pinion_server_timeouts_total", w) + s.rate("pinion_server_eof_total", w)
}

// servers are those of the pools.
func servers(s span, of where) (rows []row) {
	for i := range s.now.Status.Pools {
		p := &s.now.Status.Pools[i]
		if of["pool"] != "" && of["pool"] != p.Name {
			continue
		}
		whole := s.rate(requests, where{"pool": p.Name})
		for k := range p.Servers {
			server := &p.Servers[k]
			w := where{"pool": p.Name, "server": server.Name}
			failed := s.failures(w)
			rows = append(rows, row{into: where{"pool": p.Name}, bad: server.State != "live" || failed > 0, cells: []value{
				text(server.Name), text(p.Name), text(server.State), num(s.rate(requests, w)), num(part(s.rate(requests, w), whole)), num(failed),
				num(s.queued(w)), num(float64(server.Connections)), num(s.quantile(0.5, replyTime, w)), num(s.quantile(0.99, replyTime, w)),
			}})
		}
	}
	return rows
}

func part(of, whole float64) float64 {
	if whole == 0 {
		return math.NaN()
	}
	return of / whole
}

// families are the families of commands that clients have used.
func families(s span, of where) (rows []row) {
	for p := range s.now.Metrics.fitting(commands, of) {
		if p.value == 0 {
			continue
		}
		w := where{"pool": p.labels["pool"], "family": p.labels["family"]}
		whole := s.rate(commands, where{"pool": w["pool"]})
		rows = append(rows, row{cells: []value{
			text(w["family"]), text(w["pool"]), num(s.rate(commands, w)), num(part(s.rate(commands, w), whole)), num(p.value),
		}})
	}
	return rows
}

// workers are those of all generations. What is counted of slots is known of those that serve.
func workers(s span, _ where) (rows []row) {
	for _, g := range s.now.Status.Generations {
		for _, worker := range g.Workers {
			slot := strconv.Itoa(worker.Slot)
			of := where{"worker": slot, "generation": strconv.FormatUint(g.Number, 10)}
			r := row{into: of, bad: worker.State != "serving", cells: []value{
				text(fmt.Sprintf("%s of generation %d", slot, g.Number)), text(strconv.Itoa(worker.PID)), text(worker.State), num(float64(worker.Connections)),
				unknown(), unknown(), unknown(), unknown(), num(float64(worker.AgeSeconds)),
			}}
			if g.Number == s.now.Status.Generation {
				r.cells[4] = num(s.rate("pinion_process_cpu_seconds_total", where{"process": slot}))
				r.cells[5] = num(s.now.Metrics.sum("pinion_worker_connections", where{"worker": slot}))
				r.cells[6] = num(s.now.Metrics.sum("pinion_worker_memory_held_bytes", where{"worker": slot}))
				r.cells[7] = num(s.now.Metrics.sum("pinion_process_resident_memory_bytes", where{"process": slot}))
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// clients are those of all workers.
func clients(s span, of where) (rows []row) {
	for i := range s.now.Clients {
		c := &s.now.Clients[i]
		if of["pool"] != "" && of["pool"] != c.Pool || of["worker"] != "" && of["worker"] != strconv.Itoa(c.Worker) ||
			of["generation"] != "" && of["generation"] != strconv.FormatUint(c.Generation, 10) {
			continue
		}
		rows = append(rows, row{cells: []value{
			text(cmp.Or(c.Address, "(unix)")), text(strconv.FormatUint(c.ID, 10)), text(c.Name), text(c.Pool), text(c.State),
			num(float64(c.IdleSeconds)), num(float64(c.Queue)), num(float64(c.MemoryBytes)), text(c.Command),
		}})
	}
	return rows
}
