package access_test

import (
	"slices"
	"testing"

	"plumbline/internal/access"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// Keys must say what the law says: whoever holds a desk that a compartment is sealed to may open it, and whoever may open it
// by a duty alone holds such a desk. Otherwise a key would open more than the law allows, or a right would open nothing.
func TestKeysFollowTheLaw(t *testing.T) {
	p, err := pack.Bundled("generic")
	if err != nil {
		t.Fatal(err)
	}
	const town, region, other = ref.BodyID(3), ref.BodyID(2), ref.BodyID(9)
	checked := 0
	for i := range p.Kinds {
		k := &p.Kinds[i]
		for _, st := range k.States {
			f := access.Facts{ID: 1, Body: town, Desk: st.Desk, DeskBody: town, Above: []ref.BodyID{town, region}}
			for _, c := range []string{access.File, access.Reporter, access.Respondent, access.Identity} {
				first, also := access.Keepers(p.Duties, k, f, c)
				keepers := append(slices.Clone(first), also...)
				for j := range p.Duties {
					d := &p.Duties[j]
					if d.Actor != "" && d.Actor != pack.ActorAccount {
						continue
					}
					for _, at := range []ref.BodyID{town, region, other} {
						v := access.Viewer{Account: 5, Grants: []access.Grant{access.GrantOf(d, at)}}
						may := access.MayOpen(v, k, f, c) == nil
						keeps := slices.Contains(keepers, access.Desk{Duty: d.ID, Body: at})
						if may != keeps {
							t.Errorf("%s in %s, %s, %s at %d: may open: %v, has the key: %v", k.ID, st.ID, c, d.ID, at, may, keeps)
						}
						checked++
					}
				}
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d cases", checked)
	}
}
