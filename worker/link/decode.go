// Reading JSON that another build may have written: a field that is not known is skipped, unless the writer marks it as
// critical.

package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// ErrCritical is for what another build insists on and this one does not know.
var ErrCritical = errors.New("unknown critical field")

// decode reads text into what v points to, a struct. What stands there under "critical" are names of fields, and of fields of
// fields with dots between, without which the rest means something else.
func decode(text []byte, v any) error {
	var says struct {
		Critical []string `json:"critical"`
	}
	if err := json.Unmarshal(text, &says); err != nil {
		return err
	}
	for _, path := range says.Critical {
		if !KnowsField(reflect.TypeOf(v).Elem(), path) {
			return fmt.Errorf("%w: %q", ErrCritical, path)
		}
	}
	return json.Unmarshal(text, v)
}

// KnowsField tells whether the JSON form of a type has a field: its name, or names with dots between.
func KnowsField(t reflect.Type, path string) bool {
	name, rest, deeper := strings.Cut(path, ".")
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	for field := range t.NumField() {
		f := t.Field(field)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" {
			tag = f.Name
		}
		if f.IsExported() && tag == name {
			return !deeper || KnowsField(f.Type, rest)
		}
	}
	return false
}
