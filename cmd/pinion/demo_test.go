// A demo that says "all is right" whatever happens would be worse than none.

package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alicebob/miniredis/v2"

	"github.com/pinion-proxy/pinion/master/config"
)

func TestDemoClientNoticesWrongReplies(t *testing.T) {
	for _, c := range []struct {
		replies string
		want    string // a part of the error; empty: none
	}{
		{"$10\r\nvalue of 0\r\n$11\r\nvalue of 16\r\n", ""},
		{"$10\r\nvalue of 0\r\n$11\r\nvalue of 17\r\n", `key "user:16": the proxy answers "$11\r\nvalue of 17\r\n"`},
		{"$11\r\nvalue of 16\r\n$10\r\nvalue of 0\r\n", `key "user:0"`},
		{"$-1\r\n", `key "user:0": the proxy answers "$-1\r\n"`},
		{"-ERR Connection refused\r\n", `"-ERR Connection refused\r\n"`},
		{"$10\r\nvalue of 0\r\n$11\r\nvalue of", "reading a reply: unexpected EOF"},
		{"nonsense\r\n", "unknown kind 'n'"},
	} {
		ours, theirs := net.Pipe()
		go func() {
			io.CopyN(io.Discard, theirs, int64(len("*2\r\n$3\r\nGET\r\n$6\r\nuser:0\r\n*2\r\n$3\r\nGET\r\n$7\r\nuser:16\r\n")))
			for _, b := range []byte(c.replies) { // as they come from a slow network
				theirs.Write([]byte{b})
			}
			theirs.Close()
		}()
		client := &demoClient{conn: ours}
		err := client.each(0, 17, appendGet, wantValue)
		ours.Close()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("replies %q: error %v, want %q", c.replies, err, c.want)
		}
	}
}

func TestDemoClientNoticesWhatIsNoPinion(t *testing.T) {
	server := miniredis.RunT(t) // answers INFO, but not for a worker
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if worker, err := (&demoClient{conn: conn}).worker(); err == nil {
		t.Errorf("a Redis server is taken for worker %d", worker)
	}
}

func TestDemoNoticesMisplacedKeys(t *testing.T) {
	d := &demo{shards: []*miniredis.Miniredis{miniredis.RunT(t), miniredis.RunT(t)}}
	cfg, err := config.Parse("demo", []byte("listen 127.0.0.1:1\nbackend a "+d.shards[0].Addr()+"\nbackend b "+d.shards[1].Addr()))
	if err != nil {
		t.Fatal(err)
	}
	d.pool = &cfg.Pools[0]
	const keys = 100
	m := d.pool.Map()
	for i := range keys {
		d.shards[m.Server([]byte(demoKey(i)))].Set(demoKey(i), demoValue(i))
	}
	r := loadResult{keys: keys, perServer: make([]served, 2)}
	if err := d.verifyPlacement(&r); err != nil || r.perServer[0].keys+r.perServer[1].keys != keys || r.perServer[0].keys == 0 {
		t.Errorf("keys in their places: %+v, error %v", r.perServer, err)
	}
	owner := m.Server([]byte(demoKey(42)))
	d.shards[owner].Del(demoKey(42))
	d.shards[1-owner].Set(demoKey(42), demoValue(42))
	if err := d.verifyPlacement(&r); err == nil || !strings.Contains(err.Error(), `"user:42"`) {
		t.Errorf("a key on the wrong server: error %v", err)
	}
}

func TestDemoIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	d := &demo{}
	if r := d.runClient(ctx, 0, 1); r.err == nil {
		t.Error("a client runs on after an interrupt")
	}
}

func TestDraw(t *testing.T) {
	cfg, err := config.Parse("demo", []byte("listen 127.0.0.1:7000\nbackend shard-1 127.0.0.1:7001\nbackend shard-2 127.0.0.1:7002"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	d := &demo{pool: &cfg.Pools[0]}
	r := loadResult{keys: 10000, elapsed: 123456789, perWorker: [demoWorkers]int{4, 12}, perServer: []served{{9999, 19998}, {1, 2}}}
	if err := d.draw(&out, r); err != nil {
		t.Fatal(err)
	}
	const want = `
10,000 keys written and read back through the proxy in 0.12 s, each found where it belongs.

  16 clients ──► 127.0.0.1:7000 ─┬─ worker 0    4 clients  ██████████
                                 └─ worker 1   12 clients  ██████████████████████████████

  shard-1  127.0.0.1:7001     9,999 keys    19,998 requests  ████████████████████████████████████████
  shard-2  127.0.0.1:7002         1 keys         2 requests  ▏
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestBar(t *testing.T) {
	last := -1
	for part := range 1001 {
		cells := utf8.RuneCountInString(bar(part, 1000))
		if cells < last || cells > barCells || cells == 0 && part > 0 {
			t.Fatalf("bar of %d/1000 has %d cells after one of %d", part, cells, last)
		}
		last = cells
	}
	if bar(0, 1000) != "" || bar(1000, 1000) != strings.Repeat("█", barCells) {
		t.Error("nothing and everything are not drawn as such")
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 10000: "10,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}
