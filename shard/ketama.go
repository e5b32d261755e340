// The ketama distribution: where twemproxy puts the points of each server.

package shard

import (
	"crypto/md5"
	"encoding/binary"
	"math"
	"strconv"
)

const (
	ketamaPointsPerServer = 160 // on average; weights shift points from server to server
	ketamaPointsPerDigest = md5.Size / 4
)

// placeKetama puts points on the ring for each live server: digest i of a server is the MD5 of "<name>-<i>", and each
// of its four little-endian words is a point (ketama_update in nc_ketama.c).
func (m *Map) placeKetama() {
	var weight uint64
	for i, s := range m.servers {
		if m.live[i] {
			weight += uint64(s.Weight)
		}
	}
	for i, s := range m.servers {
		if !m.live[i] {
			continue
		}
		label := append(append(m.label[:0], s.Name...), '-')
		for d := range ketamaDigests(s.Weight, weight, m.liveCount) {
			m.label = strconv.AppendInt(label, int64(d), 10)
			digest := md5.Sum(m.label)
			for w := range ketamaPointsPerDigest {
				m.ring.points = append(m.ring.points, newPoint(binary.LittleEndian.Uint32(digest[4*w:]), i))
			}
		}
	}
}

// ketamaDigests returns how many digests, of four points each, a server of this weight gets. The roundings are part of
// the answer: twemproxy computes in C floats, so that 24 equal servers get 160 points each, but 25 get only 156. Each
// conversion forbids the compiler to fuse or widen an operation.
func ketamaDigests(weight int, totalWeight uint64, live int) int {
	share := float32(float32(weight) / float32(totalWeight))
	points := float32(share * ketamaPointsPerServer)
	digests := float32(float32(points/ketamaPointsPerDigest) * float32(live))
	return int(math.Floor(float64(float32(float64(digests) + 1e-10))))
}
