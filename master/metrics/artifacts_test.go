package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const artifacts = "../../packaging/prometheus/"

var (
	metricNames = regexp.MustCompile(`\bpinion_[a-z_]+`)
	groupings   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	matchers    = regexp.MustCompile(`(pinion_[a-z_]+)\{([^}]*)\}`)
	legends     = regexp.MustCompile(`\{\{ *(?:\$labels\.)?([a-z_]+) *\}\}`)
)

// ofScraper are labels that Prometheus adds, and that of the buckets of histograms.
var ofScraper = []string{"instance", "job", "le"}

// rowOf returns the metric of a name in an expression.
func rowOf(name string) (Row, bool) {
	rows := Table()
	for _, n := range []string{name, strings.TrimSuffix(name, "_bucket"), strings.TrimSuffix(name, "_count"), strings.TrimSuffix(name, "_sum")} {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == n && (n == name || r.Type == "histogram") })
		if i >= 0 {
			return rows[i], true
		}
	}
	return Row{}, false
}

// checkExpression finds metrics and labels that do not exist. texts are those that name labels of its result.
func checkExpression(t *testing.T, expression string, texts ...string) {
	t.Helper()
	var known []string
	for _, name := range metricNames.FindAllString(expression, -1) {
		row, has := rowOf(name)
		if !has {
			t.Errorf("there is no %s: %s", name, expression)
		}
		known = append(known, row.Labels...)
	}
	check := func(label, in string) {
		if label = strings.TrimSpace(label); !slices.Contains(known, label) && !slices.Contains(ofScraper, label) {
			t.Errorf("there is no label %q: %s", label, in)
		}
	}
	for _, m := range matchers.FindAllStringSubmatch(expression, -1) {
		row, _ := rowOf(m[1])
		for _, pair := range strings.Split(m[2], ",") {
			label := pair[:strings.IndexAny(pair, "=!")]
			if !slices.Contains(row.Labels, label) && !slices.Contains(ofScraper, label) {
				t.Errorf("%s has no label %q: %s", m[1], label, expression)
			}
		}
	}
	groups := groupings.FindAllStringSubmatch(expression, -1)
	for _, g := range groups {
		for _, label := range strings.Split(g[1], ",") {
			check(label, expression)
		}
	}
	for _, text := range texts {
		for _, l := range legends.FindAllStringSubmatch(text, -1) {
			check(l[1], text)
			if len(groups) > 0 && !slices.ContainsFunc(groups, func(g []string) bool { return slices.Contains(strings.Split(g[1], ", "), l[1]) }) {
				t.Errorf("%q is not among the labels of %s", l[1], expression)
			}
		}
	}
}

// The dashboard asks for metrics and labels that are there, and each of its panels has its place.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(artifacts + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Type, Definition string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for i, p := range dashboard.Panels {
		for _, target := range p.Targets {
			asked++
			checkExpression(t, target.Expr, target.LegendFormat)
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, q := range dashboard.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H || p.ID == q.ID {
				t.Errorf("panels %q and %q are in the same place, or have the same number", p.Title, q.Title)
			}
		}
	}
	if asked < 20 {
		t.Errorf("only %d expressions were found", asked)
	}
	for _, v := range dashboard.Templating.List {
		if inside, is := strings.CutPrefix(v.Definition, "label_values("); is {
			metric, label, _ := strings.Cut(strings.TrimSuffix(inside, ")"), ", ")
			if row, has := rowOf(metric); !has || !slices.Contains(row.Labels, label) && !slices.Contains(ofScraper, label) {
				t.Errorf("there are no values of %s", v.Definition)
			}
		}
	}
	for _, a := range dashboard.Annotations.List {
		checkExpression(t, a.Expr)
	}
}

// The alerts, likewise; promtool reads them where it is installed.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile(artifacts + "alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := strings.Split(string(text), "- alert: ")[1:]
	if len(alerts) < 10 {
		t.Errorf("only %d alerts were found", len(alerts))
	}
	for _, a := range alerts {
		_, rest, hasExpression := strings.Cut(a, "expr: ")
		expression, _, _ := strings.Cut(rest, "\n")
		_, summary, hasSummary := strings.Cut(rest, "summary: ")
		if !hasExpression || !hasSummary || !strings.Contains(rest, "severity: ") {
			t.Errorf("incomplete: %s", a)
		}
		checkExpression(t, expression, summary)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed: it has not looked at the rules")
		return
	}
	if said, err := exec.Command(promtool, "check", "rules", artifacts+"alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, said)
	}
}
