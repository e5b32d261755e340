// The secrets of a connection, as crypto/tls logs them.

package tlshake

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"

	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// secrets collects what the record layer needs from the log and from what the server says.
type secrets struct {
	lines []byte // of the log (RFC 9850)
	hello []byte // the beginning of the server's first message, as far as its random number
}

const (
	recordHandshake = 22
	helloRandom     = 4 + 2 // where the random number is in a ServerHello: behind type, length and version
	helloNeeded     = helloRandom + 32
)

// Write is called by crypto/tls with each line of the log.
func (s *secrets) Write(line []byte) (int, error) {
	s.lines = append(s.lines, line...)
	return len(line), nil
}

// serverSays takes a record of the server, or several.
func (s *secrets) serverSays(records []byte) {
	for len(s.hello) < helloNeeded {
		size := tlsrec.RecordSize(records)
		if size == 0 || size > len(records) || records[0] != recordHandshake {
			return
		}
		s.hello = append(s.hello, records[tlsrec.HeaderSize:size]...)
		records = records[size:]
	}
}

var errNoSecrets = errors.New("this build's crypto/tls logs no secrets, so TLS is not possible: build Pinion with the Go release that its go.mod names")

// records makes the record layer.
func (s *secrets) records(client bool, state tls.ConnectionState) (*tlsrec.Conn, error) {
	all := tlsrec.Secrets{Client: client, Version: state.Version, Suite: state.CipherSuite}
	if state.DidResume {
		return nil, errNoSecrets
	}
	if state.Version == tls.VersionTLS12 {
		all.InSeq, all.OutSeq = 1, 1 // the Finished of each side
		if len(s.hello) >= helloNeeded {
			all.ServerRandom = s.hello[helloRandom:helloNeeded]
		}
	}
	for line := range bytes.Lines(s.lines) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			continue
		}
		switch string(fields[0]) {
		case "CLIENT_RANDOM":
			all.ClientRandom, all.Master = decode(fields[1]), decode(fields[2])
		case "CLIENT_TRAFFIC_SECRET_0":
			all.ClientTraffic = decode(fields[2])
		case "SERVER_TRAFFIC_SECRET_0":
			all.ServerTraffic = decode(fields[2])
		}
	}
	defer clear(all.Master)
	defer clear(all.ClientTraffic)
	defer clear(all.ServerTraffic)
	records, err := tlsrec.New(all)
	if err != nil {
		return nil, errors.Join(errNoSecrets, err)
	}
	return records, nil
}

// decode returns nothing for what is no hexadecimal number.
func decode(text []byte) []byte {
	b, err := hex.AppendDecode(nil, text)
	if err != nil {
		return nil
	}
	return b
}

func (s *secrets) wipe() {
	clear(s.lines)
	*s = secrets{}
}
