// Every key reaches the server on which nutcracker 0.5.0 put it, through the running proxy.

package e2e_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

const (
	placementFile = "../../../shard/testdata/nutcracker-0.5.0-placement.jsonl"
	placements    = 28704
)

// placement is one pool that nutcracker was asked about.
type placement struct {
	ServersID    string `json:"servers_id"`
	Hash         string
	Distribution string
	HashTag      *string `json:"hash_tag"`
	Servers      []string
	Placed       []int
	KeysBase64   []string `json:"keys_base64"`
}

// All 184 pools are pools of one Pinion. A server here answers every key of a request with its own place in the list,
// so that the client sees where the proxy sent it.
func TestE2EPlacement(t *testing.T) {
	vectors, keys := readPlacements(t)
	var pools []rig.Pool
	addresses := map[string]string{} // by server list and line
	dir := rig.ShortDir(t)
	for i, v := range vectors {
		p := rig.Pool{Name: fmt.Sprintf("p%d", i), Listen: filepath.Join(dir, strconv.Itoa(i)), Options: []string{
			"redis: true", "hash: " + v.Hash, "distribution: " + v.Distribution,
		}}
		if v.HashTag != nil {
			p.Options = append(p.Options, fmt.Sprintf("hash_tag: %q", *v.HashTag))
		}
		for place, line := range v.Servers {
			id := v.ServersID + line
			if addresses[id] == "" {
				addresses[id] = rig.FakeServer(t, "unix", "", rig.Answering(placeOfKeys(place))).Address
			}
			p.Servers = append(p.Servers, rewriteLine(t, line, addresses[id]))
		}
		pools = append(pools, p)
	}
	rig.Pinion(t, rig.Yaml(pools...), "unix", pools[len(pools)-1].Listen)

	checked := 0
	for i, v := range vectors {
		c := rig.Dial(t, "unix", pools[i].Listen, rig.ReadRESP)
		for k, place := range askPlaces(c, keys) {
			if place != strconv.Itoa(v.Placed[k]) {
				t.Errorf("%s %s %s: key %q reached server %s, want %d", v.ServersID, v.Hash, v.Distribution, keys[k], place,
					v.Placed[k])
			}
			checked++
		}
		for k, element := range rig.Elements(t, c.Do(append([]string{"MGET"}, keys...)...)) {
			if place := rig.Text(t, element); place != strconv.Itoa(v.Placed[k]) {
				t.Errorf("%s %s %s: MGET asked server %s for key %q, want %d", v.ServersID, v.Hash, v.Distribution, place, keys[k],
					v.Placed[k])
			}
		}
		c.Conn.Close()
	}
	if checked != placements {
		t.Errorf("checked %d placements, want %d", checked, placements)
	}
}

func readPlacements(t *testing.T) (vectors []placement, keys []string) {
	t.Helper()
	file, err := os.Open(placementFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in := bufio.NewScanner(file)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var v placement
		if err := json.Unmarshal(in.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		for _, encoded := range v.KeysBase64 {
			key, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, string(key))
		}
		if v.Servers != nil {
			vectors = append(vectors, v)
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return vectors, keys
}

// rewriteLine moves a server of a list to another address and gives it, as an explicit name, the name that nutcracker
// gives it by its own address (conf_add_server in src/nc_conf.c).
func rewriteLine(t *testing.T, line, address string) string {
	t.Helper()
	where, name, named := strings.Cut(line, " ")
	colon := strings.LastIndexByte(where, ':')
	where, weight := where[:colon], where[colon+1:]
	if !named {
		if name = strings.TrimSuffix(where, ":11211"); strings.HasPrefix(where, "/") {
			name = where + ":"
		}
	}
	return address + ":" + weight + " " + name
}

// placeOfKeys replies to GET and MGET with place for each key.
func placeOfKeys(place int) func(args []string) string {
	element := rig.Bulk(strconv.Itoa(place))
	return func(args []string) string {
		if strings.EqualFold(args[0], "GET") {
			return element
		}
		return fmt.Sprintf("*%d\r\n", len(args)-1) + strings.Repeat(element, len(args)-1)
	}
}

// askPlaces asks for each key in a request of its own, all in one pipeline.
func askPlaces(c *rig.Client, keys []string) []string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(rig.Request("GET", key))
	}
	c.Send(b.String())
	places := make([]string, len(keys))
	for k := range keys {
		places[k] = rig.Text(c.T, c.Reply())
	}
	return places
}
