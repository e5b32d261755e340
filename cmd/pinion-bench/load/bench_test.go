// What the generator itself costs, apart from the kernel: it must stay well below the proxy it measures.

package load

import "testing"

func BenchmarkExchange(b *testing.B) {
	for _, o := range Operations() {
		b.Run(string(o), func(b *testing.B) {
			s := specFor(Redis, o)
			s.Keys, s.KeysPerRequest, s.ValueBytes, s.InOrder = 10_000, 100, 100, false
			w, err := newWorkload(s)
			if err != nil {
				b.Fatal(err)
			}
			scratch, reply := make([]byte, 0, sendBytes), make([]byte, 0, sendBytes)
			var c conn
			for b.Loop() {
				n := c.end
				w.render(scratch, w.requestAt(0, n), 0, n, 0)
				reply = w.render(reply[:0], w.replyAt(0, n), 0, n, 0)
				c.end++
				if _, err := c.verify(w, reply, scratch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
