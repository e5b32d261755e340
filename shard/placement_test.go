// The measurement that decides: where nutcracker 0.5.0 put 28,704 keys.

package shard

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/shard/hash"
)

const (
	placementFile  = "testdata/nutcracker-0.5.0-placement.jsonl"
	placementPools = 184
	placements     = 28704
)

type placementPool struct {
	ServersID    string `json:"servers_id"`
	Hash         string
	Distribution string
	HashTag      *string `json:"hash_tag"`
	Servers      []string
	Placed       []int
	KeysBase64   []string `json:"keys_base64"`
}

// Every key lives where nutcracker 0.5.0 put it.
func TestPlacement(t *testing.T) {
	pools, keys := readPlacement(t)
	checked := 0
	for _, pool := range pools {
		m, fileIndex := pool.newMap(t)
		if len(pool.Placed) != len(keys) {
			t.Fatalf("%d placements for %d keys", len(pool.Placed), len(keys))
		}
		for i, key := range keys {
			got := fileIndex[m.Server(key)]
			if got != pool.Placed[i] {
				t.Errorf("%s %s %s tag %v: key %q on server %d, want %d",
					pool.ServersID, pool.Hash, pool.Distribution, m.tag, key, got, pool.Placed[i])
			}
			if e := m.Explain(key); fileIndex[e.Server] != got {
				t.Errorf("%s: key %q explained as on server %d, is on %d", pool.ServersID, key, e.Server, got)
			}
			checked++
		}
	}
	if len(pools) != placementPools || checked != placements {
		t.Errorf("checked %d placements in %d pools, want %d in %d", checked, len(pools), placements, placementPools)
	}
}

func readPlacement(t testing.TB) (pools []placementPool, keys [][]byte) {
	t.Helper()
	file, err := os.Open(placementFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var pool placementPool
		if err := json.Unmarshal(lines.Bytes(), &pool); err != nil {
			t.Fatal(err)
		}
		for _, text := range pool.KeysBase64 {
			key, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
		if pool.Servers != nil {
			pools = append(pools, pool)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return pools, keys
}

// newMap builds the pool's map; fileIndex[i] is the place in the file of server i in name order.
func (p *placementPool) newMap(t *testing.T) (m *Map, fileIndex []int) {
	t.Helper()
	d, ok := ParseDistribution(p.Distribution)
	if !ok {
		t.Fatalf("no distribution %q", p.Distribution)
	}
	h, ok := hash.ByName(p.Hash)
	if !ok {
		t.Fatalf("no hash %q", p.Hash)
	}
	var tag HashTag
	if p.HashTag != nil {
		var err error
		if tag, err = ParseHashTag(*p.HashTag); err != nil {
			t.Fatal(err)
		}
	}
	inFile := make([]Server, len(p.Servers))
	for i, line := range p.Servers {
		inFile[i] = parseServerLine(t, line)
		fileIndex = append(fileIndex, i)
	}
	slices.SortFunc(fileIndex, func(a, b int) int {
		if Less(inFile[a].Name, inFile[b].Name) {
			return -1
		}
		return 1
	})
	servers := make([]Server, len(inFile))
	for i, at := range fileIndex {
		servers[i] = inFile[at]
	}
	return NewMap(d, h, tag, servers), fileIndex
}

// parseServerLine reads "host:port:weight [name]" or "/path:weight [name]".
func parseServerLine(t *testing.T, line string) Server {
	t.Helper()
	addressAndWeight, name, _ := strings.Cut(line, " ")
	colon := strings.LastIndexByte(addressAndWeight, ':')
	weight, err := strconv.Atoi(addressAndWeight[colon+1:])
	if err != nil {
		t.Fatalf("server line %q: %v", line, err)
	}
	network := "tcp"
	if strings.HasPrefix(line, "/") {
		network = "unix"
	}
	return Server{Name: ServerName(network, addressAndWeight[:colon], name), Weight: weight}
}
