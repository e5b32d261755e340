package metrics

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// What is written is what the library reads, whatever labels and values are.
func TestLibraryReadsWhatIsWritten(t *testing.T) {
	alphabet := []string{"a", "é", `\`, `"`, "\n", "}", "{", ",", "=", " ", "#", "\t", "\x00", "n", "€"}
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		var b strings.Builder
		for range random.IntN(8) {
			b.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		return b.String()
	}
	values := []float64{0, 1, -1, 0.1, 1e15, 1 << 53, 1<<53 + 2, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), 1_800_000_000.5}
	for range 2000 {
		a, b, v := word(), word(), values[random.IntN(len(values))]
		if random.IntN(2) == 0 {
			v = random.Float64() * float64(uint64(1)<<random.IntN(64))
		}
		page := new(text)
		page.begin("x_total", counter, `how many of \d there are`)
		page.add(labelsOf("a b", a, b), v)
		f := parsed(t, string(page.b))["x_total"]
		if f.GetType() != dto.MetricType_COUNTER || f.GetHelp() != `how many of \d there are` || len(f.Metric) != 1 {
			t.Fatalf("got %v of %s", f, page.b)
		}
		m := f.Metric[0]
		if m.Label[0].GetValue() != a || m.Label[1].GetValue() != b || m.Counter.GetValue() != v {
			t.Fatalf("got %v, want %q, %q, %v", m, a, b, v)
		}
	}
}

// A name that is no text does not make the scrape useless.
func TestNoUTF8(t *testing.T) {
	page := new(text)
	page.begin("x_total", counter, "some")
	page.add(labelsOf("a", "b\xffc"), 1)
	if got := parsed(t, string(page.b))["x_total"].Metric[0].Label[0].GetValue(); got != "b\uFFFDc" {
		t.Errorf("got %q", got)
	}
}

// A family without samples leaves nothing behind.
func TestEmptyFamily(t *testing.T) {
	page := new(text)
	page.begin("x_total", counter, "none")
	page.begin("y", gauge, "one")
	page.add("", 2)
	if got, want := string(page.b), "# HELP y one\n# TYPE y gauge\ny 2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
