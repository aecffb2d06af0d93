// Small comforts: print buttons, copying a code, submitting a choice at once, forgetting a page on exit.
export function small (root) {
  for (const button of root.querySelectorAll('[data-print]')) button.addEventListener('click', () => window.print())
  for (const button of root.querySelectorAll('[data-copy]')) {
    if (!navigator.clipboard) { button.hidden = true; continue }
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.dataset.copy)
      button.textContent = button.dataset.copied || button.textContent
    })
  }
  // The panel of filters is open where there is room for it.
  const wide = window.matchMedia('(min-width: 60em)')
  for (const panel of root.querySelectorAll('details.pl-filter-toggle')) {
    const fit = () => { panel.open = wide.matches }
    fit()
    wide.addEventListener('change', fit)
  }
  // A page left in a hurry must not come back from the browser's memory.
  if (root.querySelector('[data-forget]')) {
    window.addEventListener('pageshow', (event) => { if (event.persisted) window.location.reload() })
  }
}
