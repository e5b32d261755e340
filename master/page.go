// What the live page is handed out: the loop takes no time for it, and reads few counters.

package master

import (
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/live"
)

// page returns what the page is made of; nil: nothing serves yet.
func (m *master) page() *live.Source {
	v := m.view()
	if v == nil {
		return nil
	}
	g := m.generations.serving
	s := &live.Source{View: v, Phase: m.phaseName(), Unready: m.unready(), Busy: m.busy(), Generations: m.generations.status(m.opts.Build, m.world.now())}
	s.Log.Lines, s.Log.Count = m.log.Last()
	if m.last != nil {
		last := *m.last
		s.Last = &last
	}
	for i := range g.config.Pools {
		s.Listens = append(s.Listens, g.config.Pools[i].ListenTexts())
	}
	if !g.revived { // otherwise the configuration is an earlier master's, of which not all is known
		cfg := g.config
		s.Config = func() []live.Section { return sections(cfg.Show()) }
	}
	return s
}

// sections returns what is shown of a configuration, as the page is told.
func sections(shown []config.Section) (all []live.Section) {
	for _, s := range shown {
		one := live.Section{Name: s.Name}
		for _, k := range s.Keys {
			one.Keys = append(one.Keys, live.Key{Name: k.Name, Values: k.Values, Default: !k.Given})
		}
		all = append(all, one)
	}
	return all
}
