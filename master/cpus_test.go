package master

import (
	"fmt"
	"testing"
)

func TestChooseCPUs(t *testing.T) {
	four := []int{4, 5, 6, 7}
	for _, test := range []struct {
		n     int
		crowd map[int]int
		first int
		want  string
	}{
		{2, nil, 0, "[4 5]"},
		{2, nil, 2, "[6 7]"},
		{2, nil, 3, "[4 7]"},
		{4, nil, 3, "[4 5 6 7]"},
		{6, nil, 1, "[4 5 6 7 4 5]"},
		{2, map[int]int{4: 1, 5: 1}, 0, "[6 7]"},
		{2, map[int]int{6: 1}, 2, "[4 7]"},
		{3, map[int]int{4: 2, 5: 1, 6: 1, 7: 1}, 0, "[5 6 7]"},
		{1, map[int]int{4: 1, 5: 1, 6: 1, 7: 1, 0: 9}, 1, "[5]"},
	} {
		if got := fmt.Sprint(choose(four, test.n, test.crowd, test.first)); got != test.want {
			t.Errorf("%d beside %v from %d on: %s, want %s", test.n, test.crowd, test.first, got, test.want)
		}
	}
}

// The place of an instance is its own and stays, whatever the number of CPUs.
func TestTurn(t *testing.T) {
	seen := map[int]bool{}
	for i := range 64 {
		file := fmt.Sprintf("/etc/pinion/%d.yml", i)
		at := turnOf(file, 64)
		if at < 0 || at >= 64 || at != turnOf(file, 64) {
			t.Fatalf("%s: %d, then %d", file, at, turnOf(file, 64))
		}
		seen[at] = true
	}
	if len(seen) < 32 { // by chance, 40 or so
		t.Errorf("64 instances begin at %d of 64 CPUs", len(seen))
	}
}
