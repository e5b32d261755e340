// What of a released format is still understood.

package transcript

import (
	"fmt"
	"maps"
	"slices"
)

// LostField returns the path of what is in before, but not in after: its name or its value was changed. Both are what package
// json makes of a text; "" means that all is still there.
func LostField(before, after any) string {
	switch b := before.(type) {
	case map[string]any:
		a, _ := after.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(b)) {
			if path := LostField(b[name], a[name]); path != "" || a[name] == nil && b[name] != nil {
				return " " + name + path
			}
		}
	case []any:
		a, _ := after.([]any)
		for i := range b {
			if i >= len(a) {
				return fmt.Sprintf(" %d", i)
			}
			if path := LostField(b[i], a[i]); path != "" {
				return fmt.Sprintf(" %d%s", i, path)
			}
		}
	default:
		if before != after {
			return " (value)"
		}
	}
	return ""
}
