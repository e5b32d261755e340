// Error replies of servers are counted by their first words.

package core

import (
	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// countError counts a reply that is an error, and tells whether it is one. What is none is found out by its first byte, but for some of
// memcached.
func (p *pool) countError(reply []byte) bool {
	switch reply[0] {
	case '-', '!':
		*p.counters[link.FirstErrorWord+link.ErrorWord(link.Redis, resp.ErrorText(reply))]++
		return true
	case 'C', 'E', 'S':
		if memcache.IsError(reply) {
			*p.counters[link.FirstErrorWord+link.ErrorWord(link.Memcache, reply)]++
			return true
		}
	}
	return false
}
