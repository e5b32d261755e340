// The address where the master answers HTTP.

package config

import "fmt"

// checkHTTP finds a pool where the master is to answer itself.
func (r *reader) checkHTTP(c *Config) {
	for i := range c.Pools {
		p := &c.Pools[i]
		if p.Listen.Address != "" && p.Listen.ID() == c.Global.HTTP.ID() {
			r.report(c.Global.given["http"], "", flaw{message: fmt.Sprintf("http is %q, where pool %q listens", c.Global.HTTP.Text, p.Name),
				hint: fmt.Sprintf("that is in line %d; give it an address of its own", p.given["listen"].line)})
		}
	}
}
