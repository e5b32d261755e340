package core

import (
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

func TestErrorRepliesAreCounted(t *testing.T) {
	p := &pool{}
	for i := range p.counters {
		p.counters[i] = new(uint64)
	}
	for _, reply := range []string{
		"-OOM command not allowed\r\n", "!9\r\nOOM later\r\n", "-what\r\n", "+OK\r\n", "$-1\r\n", ":1\r\n", "$4\r\n-OOM\r\n",
		"SERVER_ERROR out of memory storing object\r\n", "ERROR\r\n", "STORED\r\n", "END\r\n", "VALUE ERROR 0 1\r\n1\r\nEND\r\n",
	} {
		p.countError([]byte(reply))
	}
	want := map[string]uint64{"OOM": 2, "other": 1, "SERVER_ERROR": 1, "ERROR": 1}
	for word, name := range link.ErrorWords {
		if n := *p.counters[link.FirstErrorWord+word]; n != want[name] {
			t.Errorf("%s: %d, want %d", name, n, want[name])
		}
	}
}
