// All metrics, for the documentation.

package metrics

import (
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Row describes one metric.
type Row struct {
	Name   string
	Type   string   // counter, gauge, histogram
	Labels []string // names
	Help   string
}

// Table returns all metrics, those of the service first, then those of workers, processes, pools and servers.
func Table() (rows []Row) {
	add := func(name string, of kind, labels, help string) {
		rows = append(rows, Row{name, string(of), strings.Fields(labels), help})
	}
	for i := range ofService {
		add(ofService[i].name, ofService[i].kind, ofService[i].labels, ofService[i].help)
	}
	for _, info := range link.WorkerStatistics {
		add(nameOf(prefix, info), kindOf(info), "", helpOf(info))
	}
	for _, table := range [][]family{ofWorkers, ofQueues, ofProcesses} {
		for i := range table {
			add(table[i].name, table[i].kind, table[i].labels, table[i].help)
		}
	}
	add(turnsName, histograms, turnsLabels, turnsHelp)
	for i, info := range link.PoolCounters[:link.FirstCommandFamily] {
		add(nameOf(prefix, info), kindOf(info), "pool", helpOf(info)+notInEachPool[i].note())
	}
	add(commandsName, counter, commandsLabels, commandsHelp)
	add(errorsName, counter, errorsLabels, errorsHelp)
	add(closingsName, counter, closingsLabels, closingsHelp)
	for i, info := range link.ServerCounters {
		add(nameOf(serverPrefix, info), kindOf(info), serverLabels, helpOf(info)+notEverywhere[i].note())
	}
	for i := range ofServers {
		add(ofServers[i].name, ofServers[i].kind, serverLabels, ofServers[i].help)
	}
	for i := range ofReplicas {
		add(ofReplicas[i].name, gauge, replicaLabels, ofReplicas[i].help)
	}
	add(infoName, gauge, infoLabels, infoHelp)
	add(latencyName, histograms, serverLabels, latencyHelp)
	return rows
}
