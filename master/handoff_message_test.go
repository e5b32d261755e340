package master

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/totals"
)

// What masters of different builds say to each other about sockets has this form; one that does not say it is understood.
func TestWordsAboutSockets(t *testing.T) {
	for _, test := range []struct {
		word message
		text string
	}{
		{
			message{Kind: messagePrepared, Slots: 2, Serves: []socketName{{Network: "tcp", Address: "127.0.0.1:22121"}, {Network: "unix", Address: "/run/p.sock"}}},
			`{"kind":"prepared","slots":2,"serves":[{"name":"","network":"tcp","address":"127.0.0.1:22121"},` +
				`{"name":"","network":"unix","address":"/run/p.sock"}]}`,
		},
		{
			message{Kind: messageWelcome, Former: []listen.Former{{Network: "tcp", Address: "127.0.0.1:22121", Inode: 4711}}},
			`{"kind":"welcome","former":[{"network":"tcp","address":"127.0.0.1:22121","inode":4711}]}`,
		},
		{
			message{Kind: messageWelcome, Found: totals.Addresses{"redis.test": netip.MustParseAddr("10.0.0.1"), "v6.test": netip.MustParseAddr("2001:db8::1")}},
			`{"kind":"welcome","found":{"redis.test":"10.0.0.1","v6.test":"2001:db8::1"}}`,
		},
		{
			message{Kind: messageSockets, Sockets: []socketName{{Name: "listen/unix//run/p.sock", Network: "unix", Address: "/run/p.sock",
				Slot: listen.EverySlot, Spot: messageSpotOf(listen.Spot{Device: 1, Inode: 2})}}},
			`{"kind":"sockets","sockets":[{"name":"listen/unix//run/p.sock","network":"unix","address":"/run/p.sock","slot":-1,` +
				`"spot":{"device":1,"inode":2}}]}`,
		},
		{
			message{Kind: messageSockets, Sockets: []socketName{{Name: statsSocket, Other: 4711, OtherID: 12}}},
			`{"kind":"sockets","sockets":[{"name":"stats","other":4711,"other_id":12}]}`,
		},
		{message{Kind: messagePrepared, Slots: 2}, `{"kind":"prepared","slots":2}`},
		{
			message{Kind: messageSockets, HTTP: &socketName{Name: "http", Network: "tcp", Address: "127.0.0.1:22223"}, More: true},
			`{"kind":"sockets","more":true,"http":{"name":"http","network":"tcp","address":"127.0.0.1:22223"}}`,
		},
		{message{Kind: messageAgreed, Tally: tally{"deaths of workers": 2}}, `{"kind":"agreed","tally":{"deaths of workers":2}}`},
	} {
		text, err := appendMessage(nil, test.word)
		if err != nil || string(text) != test.text {
			t.Errorf("written as %s, %v; want %s", text, err, test.text)
		}
		if got, err := parseMessage([]byte(test.text)); err != nil || !reflect.DeepEqual(got, test.word) {
			t.Errorf("%s is read as %+v, %v", test.text, got, err)
		}
	}
}
