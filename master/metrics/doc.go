// Package metrics shows the service as metrics of Prometheus.
//
//	loop ──► View: what it knows, and the counters of all generations ──► text of a scrape
//	                         read here, beside the loop, as the workers go on counting
//
// A View is made by the loop and read once, by one goroutine. Each metric is a row of the tables in families.go, or follows from a
// counter of worker/link; the documentation is written from them. Names of pools and servers come from the
// configuration and the topology, never from a client.
package metrics
