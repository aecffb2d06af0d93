// Comfort for readers whose browser runs scripts. Every page works without this file.
import {
  createAll, Button, CharacterCount, Checkboxes, ErrorSummary, ExitThisPage, NotificationBanner, SkipLink,
} from 'govuk-frontend'
import { charts } from './charts.mjs'
import { rows } from './rows.mjs'
import { reveal } from './reveal.mjs'
import { small } from './small.mjs'
import { work } from './work.mjs'

document.body.classList.add('js-enabled', 'govuk-frontend-supported')
for (const component of [Button, CharacterCount, Checkboxes, ErrorSummary, ExitThisPage, NotificationBanner, SkipLink]) {
  createAll(component)
}
charts(document)
rows(document)
reveal(document)
small(document)
work(document)
