// Known answers: RFC 8448, 3 (a simple 1-RTT handshake).

package tlsrec

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKnownRecord(t *testing.T) {
	s := Secrets{
		Client: true, Version: tls.VersionTLS13, Suite: tls.TLS_AES_128_GCM_SHA256,
		ClientTraffic: unhex(t, "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"),
		ServerTraffic: unhex(t, "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"),
		InSeq:         1, // the server has sent a ticket
	}
	client, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 50)
	for i := range data {
		data[i] = byte(i)
	}
	got, used, err := client.Seal(nil, data)
	want := unhex(t, `17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b 98 19 a8 a5 b4
		6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4`)
	if err != nil || used != len(data) || !bytes.Equal(got, want) {
		t.Errorf("client's record is % x, %d, %v; want % x", got, used, err, want)
	}
	want = unhex(t, `17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b 36 e3 0e fa f9 7d 90
		e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1 67 c2 95 5d`)
	plain, used, err := client.Open(nil, want)
	if err != nil || used != len(want) || !bytes.Equal(plain, data) {
		t.Errorf("server's record is % x, %d, %v", plain, used, err)
	}
}
