// Every key reaches the server on which nutcracker 0.5.0 put it, through the running proxy.

package main_test

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
)

const (
	placementFile = "../../shard/testdata/nutcracker-0.5.0-placement.jsonl"
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
	var pools []pool
	addresses := map[string]string{} // by server list and line
	dir := shortDir(t)
	for i, v := range vectors {
		p := pool{name: fmt.Sprintf("p%d", i), listen: filepath.Join(dir, strconv.Itoa(i)), options: []string{
			"redis: true", "hash: " + v.Hash, "distribution: " + v.Distribution,
		}}
		if v.HashTag != nil {
			p.options = append(p.options, fmt.Sprintf("hash_tag: %q", *v.HashTag))
		}
		for place, line := range v.Servers {
			id := v.ServersID + line
			if addresses[id] == "" {
				addresses[id] = fakeServer(t, "unix", "", answering(placeOfKeys(place))).address
			}
			p.servers = append(p.servers, rewriteLine(t, line, addresses[id]))
		}
		pools = append(pools, p)
	}
	pinion(t, yaml(pools...), "unix", pools[len(pools)-1].listen)

	checked := 0
	for i, v := range vectors {
		c := dial(t, "unix", pools[i].listen, readRESP)
		for k, place := range askPlaces(c, keys) {
			if place != strconv.Itoa(v.Placed[k]) {
				t.Errorf("%s %s %s: key %q reached server %s, want %d", v.ServersID, v.Hash, v.Distribution, keys[k], place,
					v.Placed[k])
			}
			checked++
		}
		for k, element := range elements(t, c.do(append([]string{"MGET"}, keys...)...)) {
			if place := text(t, element); place != strconv.Itoa(v.Placed[k]) {
				t.Errorf("%s %s %s: MGET asked server %s for key %q, want %d", v.ServersID, v.Hash, v.Distribution, place, keys[k],
					v.Placed[k])
			}
		}
		c.conn.Close()
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
	element := bulk(strconv.Itoa(place))
	return func(args []string) string {
		if strings.EqualFold(args[0], "GET") {
			return element
		}
		return fmt.Sprintf("*%d\r\n", len(args)-1) + strings.Repeat(element, len(args)-1)
	}
}

// askPlaces asks for each key in a request of its own, all in one pipeline.
func askPlaces(c *client, keys []string) []string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(request("GET", key))
	}
	c.send(b.String())
	places := make([]string, len(keys))
	for k := range keys {
		places[k] = text(c.t, c.reply())
	}
	return places
}
