// The ways to spread keys over servers, by their names in a configuration.

package shard

import "fmt"

// Distribution is a way to spread keys over the servers of a pool.
type Distribution uint8

const (
	Ketama Distribution = iota // consistent hashing: a lost server moves only its own keys
	Modula                     // hash modulo total weight: a lost server moves nearly all keys
	Random                     // any live server; the key does not matter
)

var distributionNames = [...]string{Ketama: "ketama", Modula: "modula", Random: "random"}

// String returns the name that a configuration uses.
func (d Distribution) String() string {
	if int(d) < len(distributionNames) {
		return distributionNames[d]
	}
	return fmt.Sprintf("distribution(%d)", uint8(d))
}

// ParseDistribution returns the distribution of that name.
func ParseDistribution(name string) (Distribution, bool) {
	for d, n := range distributionNames {
		if n == name {
			return Distribution(d), true
		}
	}
	return 0, false
}

// DistributionNames returns the names that ParseDistribution knows.
func DistributionNames() []string {
	return append([]string(nil), distributionNames[:]...)
}
