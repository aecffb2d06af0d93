package pack

import "slices"

// discloses: an official comes forward without an account, as a reporter does, and becomes the subject by saying who they are.
func (r *resolver) discloses(k *Kind, who string) {
	at := k.At.Key("discloses")
	if !k.Reports {
		r.fail(at, "", "%s: discloses needs reports: true; an official comes forward through the public form, without an account", who)
	}
	if k.Subject == "none" {
		r.fail(at, "", "%s: discloses needs subject: optional or required; the subject is the official who comes forward", who)
	}
	names := slices.ContainsFunc(k.Fields, func(f Field) bool { return f.Type == TypeOfficial })
	for i := range k.Actions {
		names = names || k.Actions[i].FieldOf(TypeOfficial) != nil
	}
	if !names {
		r.fail(at, "F19", "%s: discloses needs a field of type official, on the form or on an action, in which it is said who came forward", who)
	}
}
