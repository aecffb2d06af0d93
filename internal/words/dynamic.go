package words

// dynamic lists the beginnings of keys that are put together while the program runs, such as the name of
// an urgency behind "words.clock.". A key that begins so may stand in the catalogues though no code or
// template names it whole. One line each, with where it is put together.
var dynamic = []string{
	"flash.", // view.Flash: every message for the next page
}
