package view_test

import (
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

func figures(say *words.Speaker) []view.Figure { return nil }
