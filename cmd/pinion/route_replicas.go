// pinion route where reads may go to replicas: to which, and which of them are fit, as far as a running Pinion tells.

package main

import (
	"strings"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
)

// readsHeader is the header of the column that only pools have which read from replicas.
func readsHeader(p *config.Pool) string {
	if !p.ReadsReplicas() {
		return ""
	}
	return "\tREADS"
}

// readsColumn says where reads of a key go that is on a server, by its index.
func readsColumn(p *config.Pool, server int, running *admin.Status) string {
	switch {
	case !p.ReadsReplicas():
		return ""
	case server < 0:
		return "\t" + string(p.ReadFrom)
	}
	return "\t" + readsText(p, replicasOf(p, &p.Servers[server], running))
}

// readsText says where reads go: "prefer_replica: 10.0.0.2:6379 (fit)".
func readsText(p *config.Pool, replicas []admin.ReplicaStatus) string {
	var texts []string
	for _, r := range replicas {
		text := r.Address
		if r.State != "" {
			text += " (" + r.State + ")"
		}
		texts = append(texts, text)
	}
	if texts == nil {
		return string(p.ReadFrom) + ": replicas are not known"
	}
	return string(p.ReadFrom) + ": " + strings.Join(texts, ", ")
}

// replicasOf returns the replicas of a server: those that the running proxy knows, else those of the configuration, of whose state nothing is known.
func replicasOf(p *config.Pool, s *link.Server, running *admin.Status) []admin.ReplicaStatus {
	if known := runningReplicas(p, s.Name, running); known != nil {
		return known
	}
	var all []admin.ReplicaStatus
	for _, r := range s.Replicas {
		all = append(all, admin.ReplicaStatus{Address: r.Address, Zone: r.Zone})
	}
	return all
}

// runningReplicas returns those that the running proxy knows of a server, or of a node of a cluster; none: it does not tell.
func runningReplicas(p *config.Pool, name string, running *admin.Status) []admin.ReplicaStatus {
	for _, pool := range running.Pools {
		for _, server := range pool.Servers {
			if pool.Name == p.Name && server.Name == name {
				return server.Replicas
			}
		}
	}
	return nil
}
