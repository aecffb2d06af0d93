package pack

import "slices"

// Questionnaire finds a questionnaire of the pack, nil where there is none.
func (p *Pack) Questionnaire(id string) *Questionnaire { return p.index.questionnaires[id] }

// FieldsOf are the fields that a step asks for: those of the action, or, where the reporter answers with it, those of the
// questionnaire that was sent. clear are the values that stand in the clear: of the matter before the step, or of the entry
// of a step that was taken. An action that answers, and no questionnaire, ask for nothing.
func (p *Pack) FieldsOf(a *Action, clear map[string]any) []Field {
	if a.Answers == "" {
		return a.Fields
	}
	id, _ := clear[a.Answers].(string)
	q := p.Questionnaire(id)
	if q == nil {
		return nil
	}
	return q.Fields
}

// Reopens reports whether the office takes up again with the action what was closed. That a reporter does is something
// else: no inspection and no office can do it in their place.
func (p *Pack) Reopens(a *Action) bool { return a.Has(EffReopen) && !p.onlyBy(a.By, ActorReporter) }

func questionnaireScope(q *Questionnaire) string { return "questionnaire " + q.ID }

// asKind is the questionnaire as something whose conditions can be compiled. They look at what is being answered in the
// same form, which is sealed only when it is recorded.
func (q *Questionnaire) asKind() *Kind {
	k := &Kind{ID: "questionnaire " + q.ID, Fields: slices.Clone(q.Fields)}
	for i := range k.Fields {
		k.Fields[i].Sealed = ""
	}
	return k
}

// askable are the types of questions that can be put to somebody outside who knows neither the office nor the register.
var askable = []FieldType{TypeText, TypeLong, TypeNumber, TypeYesNo, TypeDate, TypeChoice, TypeCheck, TypeName, TypeContact}

func (r *resolver) questionnaire(q *Questionnaire) {
	put(r, r.p.index.questionnaires, q.At, "questionnaire", q.ID, q)
	what := "questionnaire " + q.ID
	r.label(q.At.Place, what, q.Label)
	r.optional(q.At.Key("help"), what+": help", q.Help)
	if len(q.Fields) == 0 {
		r.fail(q.At.Place, "F19", "%s asks nothing", what)
	}
	for i := range q.Fields {
		f := &q.Fields[i]
		f.scope = questionnaireScope(q)
		if slices.Contains(fieldTypes, string(f.Type)) && !slices.Contains(askable, f.Type) {
			r.fail(f.At.Key("type"), "", "%s: field %s: a reporter cannot be asked for a field of type %s", what, f.ID, f.Type)
		}
		own := "reporter"
		if f.Type == TypeName || f.Type == TypeContact {
			own = "identity"
		}
		if f.Sealed == "" {
			f.Sealed = own
		}
		if f.Sealed != own {
			r.fail(f.At.Key("sealed"), "F13", "%s: field %s: the answer belongs to the compartment %s; leave sealed out, or write that", what, f.ID, own)
		}
		if f.Staff {
			r.fail(f.At.Key("staff"), "", "%s: field %s: a questionnaire is answered by the reporter; take out staff", what, f.ID)
		}
		if f.Public {
			r.fail(f.At.Key("public"), "F13", "%s: field %s: what a reporter answers is sealed and never public", what, f.ID)
		}
	}
	r.fields(what, q.Fields, map[string]*Field{})
}

// answers: the reporter answers what was sent before, so that something must send it, and the step asks nothing of its own.
func (r *resolver) answers(k *Kind, a *Action, what string) {
	at := a.At.Key("answers")
	if !r.onlyBy(a.By, ActorReporter) {
		r.fail(at, "F13", "%s: only the reporter answers a questionnaire", what)
	}
	if len(a.Fields) > 0 {
		r.fail(a.At.Key("fields"), "", "%s: it asks what the questionnaire asks; take out fields", what)
	}
	sends := slices.ContainsFunc(k.Actions, func(o Action) bool {
		f := o.Field(a.Answers)
		return f != nil && f.Type == TypeQuestionnaire && f.Sealed == ""
	})
	if !sends {
		r.fail(at, "F19", "%s: answers: no action of the kind asks for %q, a field of type questionnaire in the clear", what, a.Answers)
	}
}
