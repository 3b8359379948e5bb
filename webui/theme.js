// Runs before anything is drawn, so that a chosen theme does not flash. It has to be a file: nothing may stand inline.
(function () {
  try {
    const theme = localStorage.getItem('theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be shut off; then the system's theme holds.
  }
})();
