package matter

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// How somebody is described whom nobody has identified yet is written by people in their own words: it is content, and sealed
// with the file. In the clear, and so in the table of allegations, stands a Mention: that there is a description, and where.

// A Mention says where a description is sealed: in the file of which entry of which matter, and at which field.
type Mention struct {
	Matter ref.MatterID
	N      int64
	At     string // "official", "allegations.2"
}

var mentionRx = regexp.MustCompile(`^@(\d+)/(\d+)/([a-z][a-z0-9_]*(?:\.\d+)?)$`)

func (m Mention) String() string { return fmt.Sprintf("@%d/%d/%s", m.Matter, m.N, m.At) }

// ParseMention reads what stands in the clear in the place of a description. It is false for a text, as imported records
// have it.
func ParseMention(s string) (Mention, bool) {
	part := mentionRx.FindStringSubmatch(s)
	if part == nil {
		return Mention{}, false
	}
	id, err := strconv.ParseInt(part[1], 10, 64)
	n, err2 := strconv.ParseInt(part[2], 10, 64)
	return Mention{ref.MatterID(id), n, part[3]}, err == nil && err2 == nil
}

// In finds the description in what the file of its entry holds (Content); empty if it is not there.
func (m Mention) In(content map[string]any) string {
	raw, err := json.Marshal(content)
	if err != nil {
		return ""
	}
	name, _, rows := strings.Cut(m.At, ".")
	var held map[string]json.RawMessage
	v := Values{}
	if json.Unmarshal(raw, &held) != nil {
		return ""
	}
	if rows {
		var all []AllegationValue
		if json.Unmarshal(held[name], &all) != nil {
			return ""
		}
		v[name] = all
	} else {
		var who OfficialValue
		if json.Unmarshal(held[name], &who) != nil {
			return ""
		}
		v[name] = who
	}
	return m.Of(v)
}

// Of finds the description among the values that were entered.
func (m Mention) Of(v Values) string {
	name, row, _ := strings.Cut(m.At, ".")
	switch v := v[name].(type) {
	case OfficialValue:
		return v.Described
	case []AllegationValue:
		if i, err := strconv.Atoi(row); err == nil && i < len(v) {
			return v[i].Official.Described
		}
	}
	return ""
}

// mentions takes the descriptions out of what was entered: it puts mentions in their place, and returns the values to seal
// with the file, whole, by field.
func (d *deciding) mentions(asked []*pack.Field) map[string]any {
	sealed := map[string]any{}
	mention := func(at string) string { return Mention{d.s.Matter.ID, d.e.N, at}.String() }
	for _, f := range asked {
		if f.Sealed != "" {
			continue
		}
		switch v := d.values[f.ID].(type) {
		case OfficialValue:
			if v.Described != "" {
				sealed[f.ID] = v
				v.Described = mention(f.ID)
				d.values[f.ID] = v
			}
		case []AllegationValue:
			veiled := make([]AllegationValue, len(v))
			for i, row := range v {
				if row.Official.Described != "" {
					sealed[f.ID] = v
					row.Official.Described = mention(f.ID + "." + strconv.Itoa(i))
				}
				veiled[i] = row
			}
			d.values[f.ID] = veiled
		}
	}
	return sealed
}
