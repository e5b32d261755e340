// The effective configuration to be shown: as Print has it, without passwords.

package config

// Hidden is shown instead of a password.
const Hidden = "(hidden)"

// Section is "global", or a pool.
type Section struct {
	Name string
	Keys []Setting
}

// Setting is a key and its values.
type Setting struct {
	Name   string
	Values []string
	Given  bool // the file sets it; otherwise it is the default
}

// Show returns every key that has a value and says something in its place.
func (c *Config) Show() []Section {
	all := []Section{{GlobalScope.String(), settings(&draft{global: &c.Global, given: c.Global.given})}}
	for i := range c.Pools {
		p := &c.Pools[i]
		all = append(all, Section{p.Name, settings(&draft{pool: p, given: p.given})})
	}
	return all
}

func settings(d *draft) (all []Setting) {
	for i := range keys {
		k := &keys[i]
		if k.Scope != d.scope() || k.get == nil || d.ignores(k) && d.hasDefault(k) {
			continue
		}
		_, given := d.given[k.Name]
		s := Setting{Name: k.Name, Values: k.get(d), Given: given || k.many}
		if len(s.Values) == 0 {
			continue
		}
		if k.secret {
			s.Values = []string{Hidden}
		}
		all = append(all, s)
	}
	return all
}
