// Applies the stored theme before the page is drawn. A classic script, because modules run after that.
// Without a stored theme the page follows the system's.
document.documentElement.dataset.theme = localStorage.getItem('penstock.theme') ?? ''
