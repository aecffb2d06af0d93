// Shows the questions that belong to an answer when the answer is chosen. GOV.UK's own script does the
// same but marks radio buttons with aria-expanded, which they may not have; saying nothing is better,
// because the questions follow directly in reading order.
export function reveal (root) {
  for (const group of root.querySelectorAll('[data-module="govuk-radios"]')) {
    const choices = [...group.querySelectorAll('input[type=radio][data-aria-controls]')]
    if (!choices.length) continue
    const sync = () => {
      for (const choice of choices) {
        document.getElementById(choice.dataset.ariaControls)?.classList.toggle('govuk-radios__conditional--hidden', !choice.checked)
      }
    }
    group.addEventListener('change', sync)
    window.addEventListener('pageshow', sync) // the browser may put answers back
    sync()
  }
}
