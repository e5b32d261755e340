// Data both ways, in pieces, over moves, naps and changes of keys.

package tlsrec

import (
	"bytes"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
)

// move is what a handoff does.
func move(t testing.TB, c *Conn) *Conn {
	t.Helper()
	state := c.AppendState(nil)
	c.Freeze()
	next, err := Restore(state)
	if err != nil {
		t.Fatal(err)
	}
	if again := next.AppendState(nil); !bytes.Equal(again, state) {
		t.Fatalf("the state %x became %x", state, again)
	}
	return next
}

// sealAll seals data and what is owed.
func sealAll(t testing.TB, c *Conn, data []byte) (records []byte) {
	t.Helper()
	for {
		out, used, err := c.Seal(records, data[:min(len(data), 7)], data[min(len(data), 7):])
		if err != nil {
			t.Fatal(err)
		}
		if records, data = out, data[used:]; len(data) == 0 && !c.OwesKeyUpdate() {
			return records
		}
	}
}

// openAll opens all complete records.
func openAll(t testing.TB, c *Conn, src []byte) (plain []byte, used int) {
	t.Helper()
	for {
		out, n, err := c.Open(plain, src[used:])
		if err != nil {
			t.Fatal(err)
		}
		if plain, used = out, used+n; n == 0 {
			return plain, used
		}
	}
}

func TestStreamsWithCryptoTLS(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.String(), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(v.suite)))
			e := establish(t, v)
			var pending []byte
			for range 300 {
				switch random.IntN(6) {
				case 0:
					e.ours = move(t, e.ours)
				case 1:
					e.ours.Sleep()
				case 2:
					if v.version == tls.VersionTLS13 {
						e.ours.keyUpdateOwed = true
					}
				}
				want := someData(random)
				there := sealAll(t, e.ours, want)
				for len(there) > 0 {
					n := 1 + random.IntN(len(there))
					e.wire.Write(there[:n])
					there = there[n:]
				}
				if got, err := read(e.peer); !bytes.Equal(got, want) || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("crypto/tls got %d bytes and %v, want %d", len(got), err, len(want))
				}
				back := someData(random)
				if _, err := e.peer.Write(back); err != nil {
					t.Fatal(err)
				}
				pending = append(pending, e.arrived()...)
				cut := len(pending) - random.IntN(3)*random.IntN(1+len(pending)/2)
				got, used := openAll(t, e.ours, pending[:cut])
				rest, more := openAll(t, e.ours, pending[used:])
				pending = pending[used+more:]
				if !bytes.Equal(append(got, rest...), back) {
					t.Fatalf("we got %d + %d bytes, want %d", len(got), len(rest), len(back))
				}
			}
		})
	}
}

// However often the peer asks for another key before anything is sent, one answer does.
func TestKeyUpdatesAreAnsweredOnce(t *testing.T) {
	client, server := pair(t, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
	for _, request := range []byte{1, 1, 0} {
		record, err := client.sealSmall(nil, recordHandshake, messageKeyUpdate, 0, 0, 1, request)
		if err == nil {
			err = client.advanceOut()
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := openAll(t, server, record); len(got) > 0 || !server.OwesKeyUpdate() {
			t.Fatalf("%q; an answer is owed: %v", got, server.OwesKeyUpdate())
		}
	}
	answer, _, err := server.Seal(nil)
	if err != nil || server.OwesKeyUpdate() || RecordSize(answer) != len(answer) {
		t.Fatalf("% x, %v; an answer is owed: %v", answer, err, server.OwesKeyUpdate())
	}
	if got, _ := openAll(t, client, append(answer, sealAll(t, server, []byte("data"))...)); string(got) != "data" || client.OwesKeyUpdate() {
		t.Errorf("%q; an answer is owed: %v", got, client.OwesKeyUpdate())
	}
}

// A peer may send empty records, but not for ever.
func TestEmptyRecordsAreBounded(t *testing.T) {
	client, server := pair(t, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
	for i := range maxIdle + 1 {
		record, err := client.sealSmall(nil, recordData)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Open(nil, record); (err != nil) != (i == maxIdle) {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

func someData(random *rand.Rand) []byte {
	data := make([]byte, random.IntN(1<<random.IntN(17)))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// Suites that crypto/tls does not choose here, and keys that change after each record.
func TestStreamsWithItself(t *testing.T) {
	for _, s := range suites {
		t.Run(tls.CipherSuiteName(s.id), func(t *testing.T) {
			random := rand.New(rand.NewPCG(2, uint64(s.id)))
			a, b := pair(t, s.version, s.id)
			for range 300 {
				a.keyUpdateOwed = s.version == tls.VersionTLS13 && random.IntN(3) > 0
				want := someData(random)
				records := sealAll(t, a, want)
				if got, used := openAll(t, b, records); !bytes.Equal(got, want) || used != len(records) {
					t.Fatalf("%d bytes became %d; %d of %d used", len(want), len(got), used, len(records))
				}
				a, b = move(t, b), move(t, a)
			}
		})
	}
}

// pair returns both ends of a connection with invented secrets.
func pair(t testing.TB, version, suite uint16) (client, server *Conn) {
	t.Helper()
	ends := [2]*Conn{}
	for i := range ends {
		s := Secrets{Client: i == 0, Version: version, Suite: suite}
		s.Master, s.ClientRandom, s.ServerRandom = bytes.Repeat([]byte{1}, 48), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
		index, err := suiteOf(version, suite)
		if err == nil && version == tls.VersionTLS13 {
			s.ClientTraffic, s.ServerTraffic = bytes.Repeat([]byte{4}, suites[index].secretSize()), bytes.Repeat([]byte{5}, suites[index].secretSize())
		}
		if err == nil {
			ends[i], err = New(s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return ends[0], ends[1]
}

func TestSecretsAreChecked(t *testing.T) {
	for name, s := range map[string]Secrets{
		"suite of the other version": {Version: tls.VersionTLS12, Suite: tls.TLS_AES_128_GCM_SHA256},
		"suite of CBC":               {Version: tls.VersionTLS12, Suite: tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
		"no secrets":                 {Version: tls.VersionTLS13, Suite: tls.TLS_AES_128_GCM_SHA256},
		"no master secret":           {Version: tls.VersionTLS12, Suite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, ClientRandom: make([]byte, 32), ServerRandom: make([]byte, 32)},
		"secret of the other hash": {
			Version: tls.VersionTLS13, Suite: tls.TLS_AES_256_GCM_SHA384, ClientTraffic: make([]byte, 32), ServerTraffic: make([]byte, 32),
		},
	} {
		if c, err := New(s); err == nil {
			t.Errorf("%s: %v", name, c)
		}
	}
}

// A writer changes its key before the suite is worn.
func TestKeysAreChangedInTime(t *testing.T) {
	client, server := pair(t, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
	client.out.seq, server.in.seq = rekeyAfter-1, rekeyAfter-1
	for i, want := range []uint64{rekeyAfter, 1, 2} {
		if got, _ := openAll(t, server, sealAll(t, client, []byte("data"))); string(got) != "data" {
			t.Fatalf("record %d is %q", i, got)
		}
		if client.out.seq != want || server.in.seq != want {
			t.Errorf("after record %d the sequence numbers are %d and %d, want %d", i, client.out.seq, server.in.seq, want)
		}
	}
}

// Nothing is allocated for records, whatever they contain, as long as the connection is awake.
func TestRecordsAllocNothing(t *testing.T) {
	for _, s := range suites {
		client, server := pair(t, s.version, s.id)
		data, sealed, plain := make([]byte, 100), make([]byte, 0, MaxRecord), make([]byte, 0, MaxRecord)
		allocs := testing.AllocsPerRun(100, func() {
			var err error
			if sealed, _, err = client.Seal(sealed[:0], data, data); err == nil {
				plain, _, err = server.Open(plain[:0], sealed)
			}
			if err != nil || len(plain) != 200 {
				t.Fatal(len(plain), err)
			}
		})
		if allocs > 0 {
			t.Errorf("%s: %v allocations a record", tls.CipherSuiteName(s.id), allocs)
		}
	}
}

func TestFrozenIsNotUsed(t *testing.T) {
	for name, use := range map[string]func(c *Conn){
		"seal":  func(c *Conn) { c.Seal(nil, []byte("x")) },
		"alert": func(c *Conn) { c.SealAlert(nil, CloseNotify) },
		"open":  func(c *Conn) { c.Open(nil, nil) },
	} {
		for state, put := range map[string]func(c *Conn){"frozen": (*Conn).Freeze, "wiped": (*Conn).Wipe} {
			c, _ := pair(t, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
			put(c)
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s of a %s connection is possible", name, state)
					}
				}()
				use(c)
			}()
		}
	}
}

func TestClose(t *testing.T) {
	for _, s := range suites {
		client, server := pair(t, s.version, s.id)
		records := sealAll(t, client, []byte("last"))
		records, err := client.SealAlert(records, CloseNotify)
		if err != nil {
			t.Fatal(err)
		}
		if more, used, err := client.Seal(nil, []byte("too late")); len(more) > 0 || used != 8 || err != nil {
			t.Errorf("after close_notify %d bytes are sealed for %d: %v", len(more), used, err)
		}
		for range 2 {
			plain, _, err := server.Open(nil, append(records, "whatever follows"...))
			if !errors.Is(err, ErrClosed) || string(plain) != "last" && records != nil {
				t.Errorf("%q, %v", plain, err)
			}
			server, records = move(t, server), nil
		}
	}
}
