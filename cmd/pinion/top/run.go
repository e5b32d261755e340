// The terminal, and the clock: the only file that knows either.

package top

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
)

// Source asks the proxy, whichever master answers now. Clients are asked for only if they are needed.
type Source func(ctx context.Context, clients bool) (*Sample, error)

// askWithin is how long the proxy may take to answer.
const askWithin = 5 * time.Second

// Run shows what source says, until whoever looks has seen enough, or ctx ends. Without a terminal that moves its cursor, tables follow each other.
func Run(ctx context.Context, source Source, o Options, out io.Writer) error {
	m := newModel(tableNamed(o.Table), o.Interval)
	m.look.filter = o.Filter
	if o.Once || o.JSON || !movesCursor(out) {
		return follow(ctx, m, source, o, out)
	}
	_, err := tea.NewProgram(&page{model: m, source: source}, tea.WithContext(ctx), tea.WithOutput(out), tea.WithoutCatchPanics()).Run()
	if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, tea.ErrProgramKilled) {
		return nil
	}
	return err
}

// movesCursor tells whether out is a terminal that does more than print.
func movesCursor(out io.Writer) bool {
	f, isFile := out.(*os.File)
	if !isFile || slices.Contains([]string{"", "dumb"}, os.Getenv("TERM")) {
		return false
	}
	return term.IsTerminal(f.Fd())
}

// follow prints tables, each of what was measured in an interval.
func follow(ctx context.Context, m *model, source Source, o Options, out io.Writer) error {
	for ctx.Err() == nil {
		s, err := ask(ctx, source, m.needsClients())
		switch {
		case err != nil && (o.Once || m.latest == nil):
			return err
		case err == nil:
			m.take(s, nil)
		}
		if err == nil && m.earlier != nil {
			err := m.print(out, o.JSON)
			if err == nil && len(s.Unheard) > 0 && m.needsClients() {
				err = errors.New("not all clients are known: " + strings.Join(s.Unheard, "; "))
			}
			if o.Once || err != nil && len(s.Unheard) == 0 {
				return err
			}
		}
		select {
		case <-time.After(m.every()):
		case <-ctx.Done():
		}
	}
	return nil
}

func ask(ctx context.Context, source Source, clients bool) (*Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return source(ctx, clients)
}

// page is the model as the terminal's program.
type page struct {
	*model
	source Source
	asking bool // for the next sample
	asked  int  // how many samples were asked for, so that only the clock of the last one counts
}

// answered is what came of asking.
type answered struct {
	sample *Sample
	err    error
}

// due says that it is time for the next sample.
type due struct{ turn int }

func (p *page) Init() tea.Cmd { return p.ask() }

func (p *page) ask() tea.Cmd {
	if p.asking {
		return nil
	}
	p.asking = true
	p.asked++
	clients := p.needsClients()
	return func() tea.Msg {
		s, err := ask(context.Background(), p.source, clients)
		return answered{s, err}
	}
}

func (p *page) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		p.width, p.height = max(20, msg.Width), max(headLines+footLines+1, msg.Height)
	case answered:
		p.asking = false
		p.take(msg.sample, msg.err)
		turn := p.asked
		if p.needsClients() && p.latest != nil && p.latest.Clients == nil && msg.err == nil && !p.paused {
			return p, p.ask() // the table was changed meanwhile
		}
		return p, tea.Tick(p.every(), func(time.Time) tea.Msg { return due{turn} })
	case due:
		if msg.turn == p.asked {
			return p, p.ask()
		}
	case tea.KeyPressMsg:
		before := p.look.table
		if p.key(msg.String(), msg.Text) {
			return p, tea.Quit
		}
		if p.look.table != before && p.needsClients() {
			return p, p.ask()
		}
	}
	return p, nil
}

func (p *page) View() tea.View {
	v := tea.NewView(p.screen())
	v.AltScreen = true
	return v
}
