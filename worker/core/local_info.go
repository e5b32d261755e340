// The reply to INFO: what the proxy knows of itself, over all workers.

package core

import (
	"fmt"
	"os"

	"github.com/pinion-proxy/pinion/worker/link"
)

// info returns the section that INFO has here. A client of a pool sees that pool's servers.
func (l *loop) info(of *pool) []byte {
	out := fmt.Appendf(nil, "# Pinion\r\npinion_version:%s\r\nprocess_id:%d\r\nworker:%d\r\nworkers:%d\r\ngeneration:%d\r\n",
		l.spec.Build, os.Getpid(), l.spec.Slot, l.spec.Slots, l.spec.Generation)
	for i, counter := range link.WorkerCounters {
		out = fmt.Appendf(out, "%s:%d\r\n", counter.Name, l.shared.SumWorker(i))
	}
	out = fmt.Appendf(out, "pool:%s\r\n", of.name)
	for i, counter := range link.PoolCounters {
		out = fmt.Appendf(out, "%s:%d\r\n", counter.Name, l.shared.SumPool(of.index, i))
	}
	for i, s := range of.servers {
		out = fmt.Appendf(out, "server%d:name=%s,address=%s,weight=%d,state=%s", i, s.spec.Name, s.primary.address, s.spec.Weight,
			s.liveness().State())
		for k, counter := range link.ServerCounters {
			out = fmt.Appendf(out, ",%s=%d", counter.Name, l.shared.SumServer(of.index, i, k))
		}
		out = append(out, "\r\n"...)
	}
	return out
}
